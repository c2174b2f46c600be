"""What the SMTP server says, apart from greeting and offers: qmail-smtpd's texts to the byte, then our own.

Enhanced status codes stand where qmail puts them, at the end of the text. ENHANCEDSTATUSCODES (RFC 2034) wants
them at the beginning, as our own replies have them, so it is not offered.
"""

from __future__ import annotations

from qtwisted.model.reply import Reply

OK = Reply(250, b"ok")
FLUSHED = Reply(250, b"flushed")
GO_AHEAD = Reply(354, b"go ahead")
HELP = Reply(214, b"qmail home page: http://pobox.com/~djb/qmail.html")
CANNOT_VERIFY = Reply(252, b"send some mail, i'll try my best")

NO_CONTROLS = Reply(421, b"unable to read controls (#4.3.0)")
MAIL_FIRST = Reply(503, b"MAIL first (#5.5.1)")
RCPT_FIRST = Reply(503, b"RCPT first (#5.5.1)")
UNIMPLEMENTED = Reply(502, b"unimplemented (#5.5.1)")
SYNTAX_ERROR = Reply(555, b"syntax error (#5.5.4)")
BAD_SENDER = Reply(553, b"sorry, your envelope sender is in my badmailfrom list (#5.7.1)")
NOT_OURS = Reply(553, b"sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)")
NO_QUEUE = Reply(451, b"qqt failure (#4.3.0)")
BARE_LF = Reply(451, b"See http://pobox.com/~djb/docs/smtplf.html.")
LOOPING = Reply(554, b"too many hops, this message is looping (#5.4.6)")
TOO_BIG = Reply(552, b"sorry, that message size exceeds my databytes limit (#5.3.4)")
TIMED_OUT = Reply(451, b"timeout (#4.4.2)")

# Unlike 1.02: command lines, the recipients of a message, errors, commands that do no work and connections
# are limited, each with a reply of its own; a client that tcprules denies gets one, too.
LINE_TOO_LONG = Reply(500, b"5.5.2 line too long")
NO_LINE_END = Reply(421, b"4.7.0 that line has no end")
TOO_MANY_RECIPIENTS = Reply(452, b"4.5.3 too many recipients")
TOO_MANY_ERRORS = Reply(421, b"4.7.0 too many errors")
TOO_MANY_COMMANDS = Reply(421, b"4.7.0 too many commands without mail")
TOO_MANY_CONNECTIONS = Reply(421, b"4.3.2 too many connections")
TOO_MANY_FROM_YOU = Reply(421, b"4.7.0 too many connections from your address")
NOT_SERVED = Reply(421, b"4.7.0 no mail is taken from your address")
SHUTTING_DOWN = Reply(421, b"4.3.2 shutting down")
BAD_PARAMETER = Reply(501, b"5.5.4 that parameter makes no sense")
UNKNOWN_PARAMETER = Reply(555, b"5.5.4 unknown parameter")
