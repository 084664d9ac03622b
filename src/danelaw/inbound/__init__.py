"""Mail coming in: listeners, sessions, the decision to relay, and the 250 that is only said once the disk has it.

`intake.Intake` binds the listeners and holds what all clients share: limits, certificates, the sweep of slow ones.
`session.Session` is the asyncio protocol of one client and does the network; `conversation.Conversation`, its pure
half, turns events of `smtp.ServerConnection` into answers. `reception.Reception` receives one message: a small one
whole, a large one written to its file while it arrives. `relay.RelayPolicy` says who may send where and what the next
hop of a recipient is; `head.Head` finds what must be known of a header without parsing it.

`steps.Step` is what may be asked between a client and the queue, at connection, AUTH, MAIL, RCPT and the end of data;
`arrival.Arrival` is the message before them, `asking` and `examination` ask them in their order, each within its time.

Users log in where a listener has `auth`: `login.Login` drives the exchange (`danelaw.sasl`), asks the steps and then
`userbook.UserBook`, the file of users; `lockouts.Lockouts` counts failures; `submission.SubmissionStep` is what is done
for users alone.

No task exists for a connection before a message's end, and no reply is sent twice when one write will do: this is
the path every message takes.
"""
