/* Records what a process does to the files below CRASH_ROOT, and what it says and hears meanwhile, for crash_states.py.
 *
 *     cc -shared -fPIC -O2 -o recorder.so crash_recorder.c -ldl
 *     CRASH_ROOT=/dir CRASH_RECORD=/log CRASH_SAID='250 2.0.0' CRASH_HEARD='taken ' LD_PRELOAD=./recorder.so program
 *
 * One record per call, appended by one writev to a file opened with O_APPEND, so that the order holds across threads and
 * processes. A write is recorded after it was done; a flush with a record before and one after, since only what was
 * written before its beginning is sure to be durable at its end. What is said to a socket is recorded before it leaves,
 * what is heard after it came: the order in the record is never kinder than the truth.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPENED = 1, WROTE, CUT, FLUSH_BEGUN, FLUSHED, RENAMED, UNLINKED, MADE_DIRECTORY, REMOVED_DIRECTORY, SAID, HEARD };
struct head { uint32_t length; uint32_t kind; uint64_t inode; uint64_t number; } __attribute__((packed));

static const char *root, *said, *heard;
static size_t root_length;
static int record = -1;
static uint64_t flushes;

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })

__attribute__((constructor)) static void begin(void) {
    root = getenv("CRASH_ROOT"), said = getenv("CRASH_SAID"), heard = getenv("CRASH_HEARD");
    const char *path = getenv("CRASH_RECORD");
    if (!root || !path) { root = NULL; return; }
    root_length = strlen(root);
    int made = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    record = fcntl(made, F_DUPFD_CLOEXEC, 900);  /* out of the way of programs that close or count low descriptors */
    if (record < 0) record = made; else close(made);
}

static void note(uint32_t kind, uint64_t inode, uint64_t number, const struct iovec *data, int count, size_t length) {
    if (record < 0) return;
    int kept = errno;
    struct head head = {(uint32_t)length, kind, inode, number};
    struct iovec all[66];
    int used = 1;
    all[0].iov_base = &head, all[0].iov_len = sizeof head;
    for (int i = 0; i < count && length && used < 66; i++) {
        all[used] = data[i];
        if (all[used].iov_len > length) all[used].iov_len = length;
        length -= all[used++].iov_len;
    }
    if (REAL(writev)(record, all, used) < 0) abort();  /* a record with a hole would prove nothing */
    errno = kept;
}

static void note_text(uint32_t kind, uint64_t inode, uint64_t number, const char *text, size_t length) {
    struct iovec data = {(void *)text, length};
    note(kind, inode, number, &data, 1, length);
}

static int below(const char *path) {
    return root && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* The path of a descriptor below the root; 0 for every other. */
static int known(int fd, char *path, struct stat *facts) {
    if (!root || fd == record) return 0;
    char link[48];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below(path) && !fstat(fd, facts);
}

static int is_socket(int fd) {
    struct stat facts;
    return root && !fstat(fd, &facts) && S_ISSOCK(facts.st_mode);
}

static void spoken(uint32_t kind, const char *mark, int fd, const struct iovec *data, int count, size_t length) {
    if (!mark || !length || !is_socket(fd)) return;
    size_t total = 0;
    for (int i = 0; i < count && i < 65; i++) total += data[i].iov_len;
    if (total < length) length = total;
    for (int i = 0; i < count; i++)
        if (memmem(data[i].iov_base, data[i].iov_len < length ? data[i].iov_len : length, mark, strlen(mark))) {
            note(kind, (uint64_t)fd, 0, data, count, length < 65536 ? length : 65536);
            return;
        }
}

static void opened(int fd) {
    char path[PATH_MAX];
    struct stat facts;
    int kept = errno;
    if (fd >= 0 && known(fd, path, &facts)) note_text(OPENED, facts.st_ino, (uint64_t)facts.st_size, path, strlen(path));
    errno = kept;
}

static void wrote(int fd, off_t offset, const struct iovec *data, int count, ssize_t done) {
    char path[PATH_MAX];
    struct stat facts;
    int kept = errno;
    if (done > 0 && known(fd, path, &facts) && S_ISREG(facts.st_mode)) {
        if (offset < 0) offset = lseek(fd, 0, SEEK_CUR) - done;
        note(WROTE, facts.st_ino, (uint64_t)offset, data, count, (size_t)done);
    }
    errno = kept;
}

static int flush(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    struct stat facts;
    if (!known(fd, path, &facts)) return real(fd);
    uint64_t serial = __atomic_add_fetch(&flushes, 1, __ATOMIC_SEQ_CST);
    note(FLUSH_BEGUN, facts.st_ino, serial, NULL, 0, 0);
    const char *slower = getenv("CRASH_FLUSH_US");
    if (slower != NULL) usleep((useconds_t)atol(slower));
    int result = real(fd);
    if (!result) note(FLUSHED, facts.st_ino, serial, NULL, 0, 0);
    return result;
}

static void cut(int fd, off_t size, int result) {
    char path[PATH_MAX];
    struct stat facts;
    if (!result && known(fd, path, &facts)) note(CUT, facts.st_ino, (uint64_t)size, NULL, 0, 0);
}

static void named(uint32_t kind, const char *path, int result) {
    struct stat facts = {0};
    if (result || !below(path)) return;
    if (kind == MADE_DIRECTORY && stat(path, &facts)) return;
    note_text(kind, facts.st_ino, 0, path, strlen(path));
}

static void renamed(const char *from, const char *to, int result) {
    if (result || !below(from)) return;
    struct iovec both[2] = {{(void *)from, strlen(from) + 1}, {(void *)to, strlen(to)}};
    note(RENAMED, 0, 0, both, 2, both[0].iov_len + both[1].iov_len);
}

#define MODE(last) ({ va_list rest; va_start(rest, last); mode_t mode = va_arg(rest, mode_t); va_end(rest); mode; })
int open(const char *path, int flags, ...) { int fd = REAL(open)(path, flags, MODE(flags)); opened(fd); return fd; }
int open64(const char *path, int flags, ...) { int fd = REAL(open64)(path, flags, MODE(flags)); opened(fd); return fd; }
int openat(int at, const char *path, int flags, ...) { int fd = REAL(openat)(at, path, flags, MODE(flags)); opened(fd); return fd; }
int openat64(int at, const char *path, int flags, ...) { int fd = REAL(openat64)(at, path, flags, MODE(flags)); opened(fd); return fd; }

ssize_t write(int fd, const void *data, size_t length) {
    struct iovec one = {(void *)data, length};
    spoken(SAID, said, fd, &one, 1, length);
    ssize_t done = REAL(write)(fd, data, length);
    wrote(fd, -1, &one, 1, done);
    return done;
}
ssize_t writev(int fd, const struct iovec *data, int count) {
    spoken(SAID, said, fd, data, count, SIZE_MAX >> 1);
    ssize_t done = REAL(writev)(fd, data, count);
    wrote(fd, -1, data, count, done);
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    struct iovec one = {(void *)data, length};
    ssize_t done = REAL(pwrite)(fd, data, length, offset);
    wrote(fd, offset, &one, 1, done);
    return done;
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    struct iovec one = {(void *)data, length};
    ssize_t done = REAL(pwrite64)(fd, data, length, offset);
    wrote(fd, offset, &one, 1, done);
    return done;
}
ssize_t pwritev(int fd, const struct iovec *data, int count, off_t offset) {
    ssize_t done = REAL(pwritev)(fd, data, count, offset);
    wrote(fd, offset, data, count, done);
    return done;
}
ssize_t pwritev64(int fd, const struct iovec *data, int count, off64_t offset) {
    ssize_t done = REAL(pwritev64)(fd, data, count, offset);
    wrote(fd, offset, data, count, done);
    return done;
}
ssize_t send(int fd, const void *data, size_t length, int flags) {
    struct iovec one = {(void *)data, length};
    spoken(SAID, said, fd, &one, 1, length);
    return REAL(send)(fd, data, length, flags);
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    spoken(SAID, said, fd, message->msg_iov, (int)message->msg_iovlen, SIZE_MAX >> 1);
    return REAL(sendmsg)(fd, message, flags);
}
ssize_t read(int fd, void *data, size_t length) {
    ssize_t done = REAL(read)(fd, data, length);
    struct iovec one = {data, done > 0 ? (size_t)done : 0};
    if (done > 0) spoken(HEARD, heard, fd, &one, 1, (size_t)done);
    return done;
}
ssize_t recv(int fd, void *data, size_t length, int flags) {
    ssize_t done = REAL(recv)(fd, data, length, flags);
    struct iovec one = {data, done > 0 ? (size_t)done : 0};
    if (done > 0) spoken(HEARD, heard, fd, &one, 1, (size_t)done);
    return done;
}
int fsync(int fd) { return flush(fd, REAL(fsync)); }
int fdatasync(int fd) { return flush(fd, REAL(fdatasync)); }
int ftruncate(int fd, off_t size) { int result = REAL(ftruncate)(fd, size); cut(fd, size, result); return result; }
int ftruncate64(int fd, off64_t size) { int result = REAL(ftruncate64)(fd, size); cut(fd, size, result); return result; }
int rename(const char *from, const char *to) { int result = REAL(rename)(from, to); renamed(from, to, result); return result; }
int renameat(int a, const char *from, int b, const char *to) {
    int result = REAL(renameat)(a, from, b, to);
    renamed(from, to, result);
    return result;
}
int unlink(const char *path) { int result = REAL(unlink)(path); named(UNLINKED, path, result); return result; }
int unlinkat(int at, const char *path, int flags) {
    int result = REAL(unlinkat)(at, path, flags);
    named(flags & AT_REMOVEDIR ? REMOVED_DIRECTORY : UNLINKED, path, result);
    return result;
}
int rmdir(const char *path) { int result = REAL(rmdir)(path); named(REMOVED_DIRECTORY, path, result); return result; }
int mkdir(const char *path, mode_t mode) { int result = REAL(mkdir)(path, mode); named(MADE_DIRECTORY, path, result); return result; }
int mkdirat(int at, const char *path, mode_t mode) {
    int result = REAL(mkdirat)(at, path, mode);
    named(MADE_DIRECTORY, path, result);
    return result;
}
