"""A milter on libmilter through pymilter that uses every callback and every change. Run by Debian's own Python:

    every_callback.py SOCKET JOURNAL

Each callback is a line in the journal. The subject of a message says what happens to it at its end.
"""

import sys

import Milter

CHANGES = (
    Milter.ADDHDRS + Milter.CHGHDRS + Milter.CHGBODY + Milter.ADDRCPT + Milter.DELRCPT + Milter.QUARANTINE
    + Milter.CHGFROM + Milter.ADDRCPT_PAR
)  # fmt: skip


@Milter.rejected_recipients
class EveryCallback(Milter.Base):
    """One client."""

    def tell(self, *words):
        with open(sys.argv[2], "a", encoding="utf-8") as journal:
            journal.write(" ".join(str(word) for word in words) + "\n")

    def connect(self, hostname, family, hostaddr):
        self.subject, self.size = "", 0
        self.tell("connect", hostname, hostaddr[0], self.getsymval("j"), self.getsymval("{client_addr}"))
        self.tell("resolved", self.getsymval("{client_resolve}"), self.getsymval("{client_ptr}"))
        return Milter.CONTINUE

    def hello(self, hostname):
        self.tell("hello", hostname)
        return Milter.CONTINUE

    def envfrom(self, path, *parameters):
        self.subject, self.size = "", 0
        self.tell("envfrom", path, self.getsymval("{mail_addr}"), *parameters)
        return Milter.CONTINUE

    def envrcpt(self, path, *parameters):
        if self.getsymval("{rcpt_mailer}") == "error":
            self.tell("refused", path, self.getsymval("{rcpt_host}"), self.getsymval("{rcpt_addr}"))
            return Milter.CONTINUE
        self.tell("envrcpt", path, self.getsymval("{rcpt_addr}"), *parameters)
        if path.startswith("<nobody@"):
            self.setreply("550", "5.1.1", "nobody of that name", "ask your correspondent")
            return Milter.REJECT
        if path.startswith("<busy@"):
            return Milter.TEMPFAIL
        return Milter.CONTINUE

    def data(self):
        self.tell("data", self.getsymval("i"), self.getsymval("{nrcpts}"))
        return Milter.CONTINUE

    def header(self, name, value):
        self.tell("header", name, repr(value))
        if name == "Subject":
            self.subject = value.strip()
        return Milter.CONTINUE

    def eoh(self):
        self.tell("eoh")
        return Milter.CONTINUE

    def body(self, chunk):
        self.size += len(chunk)
        self.tell("body", len(chunk))
        return Milter.SKIP if self.subject == "skip" else Milter.CONTINUE

    def eom(self):
        self.tell("eom", self.size, self.getsymval("{msg_id}"))
        if self.subject == "change":
            self.progress()
            self.addheader("X-Added", "one")
            self.addheader("X-Inserted", "two\n\tlines", 0)
            self.chgheader("X-Changed", 1, "new")
            self.chgheader("X-Removed", 1, "")
            self.chgfrom("changed@sender.example")
            self.addrcpt("added@here.example")
            self.addrcpt("parameters@here.example", "NOTIFY=NEVER")
            self.delrcpt("<removed@here.example>")
            self.replacebody(b"a new body\r\n")
            self.replacebody(b"of two pieces\r\n")
        if self.subject == "quarantine":
            self.quarantine("to be looked at")
        if self.subject == "reply":
            self.setreply("554", "5.7.1", "100%% refused", "in two lines")
            return Milter.REJECT
        verdicts = {"reject": Milter.REJECT, "tempfail": Milter.TEMPFAIL, "discard": Milter.DISCARD}
        return verdicts.get(self.subject, Milter.ACCEPT)

    def abort(self):
        self.tell("abort")
        return Milter.CONTINUE

    def close(self):
        self.tell("close")
        return Milter.CONTINUE

    def unknown(self, command):
        self.tell("unknown", command)
        return Milter.CONTINUE


Milter.factory = EveryCallback
Milter.set_flags(CHANGES)
Milter.runmilter("every-callback", sys.argv[1], 60)
