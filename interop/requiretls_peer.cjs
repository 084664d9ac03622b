// Nodemailer's two ends behind pipes. "server CERT KEY hide|offer": an smtp-server that prints its port, then one JSON object a
// message. "client PORT FROM TO require|plain": one message over STARTTLS; prints {"ok": reply} or {"code": …, "error": …}.
const [what, ...words] = process.argv.slice(2);
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');

if (what === 'server') {
    const fs = require('fs');
    const { SMTPServer } = require('smtp-server');
    const [cert, key, offer] = words;
    const server = new SMTPServer({
        cert: fs.readFileSync(cert), key: fs.readFileSync(key), hideREQUIRETLS: offer !== 'offer',
        authOptional: true, disabledCommands: ['AUTH'], disableReverseLookup: true, logger: false,
        onData(stream, session, callback) {
            let data = '';
            stream.on('data', (chunk) => { data += chunk; });
            stream.on('end', () => {
                say({ from: session.envelope.mailFrom && session.envelope.mailFrom.address,
                      requireTLS: session.envelope.requireTLS, secure: session.secure, data });
                callback();
            });
        }
    });
    server.on('error', () => {});
    server.listen(0, '127.0.0.1', () => say({ port: server.server.address().port }));
} else {
    const { createTransport } = require('nodemailer');
    const [port, from, to, require_] = words;
    const transport = createTransport({ host: '127.0.0.1', port: Number(port), requireTLS: true, tls: { rejectUnauthorized: false } });
    transport.sendMail({ from, to, subject: 'hello', text: 'hi', requireTLSExtensionEnabled: require_ === 'require' })
        .then((info) => say({ ok: info.response }), (error) => say({ code: error.code, error: error.message }))
        .finally(() => transport.close());
}
