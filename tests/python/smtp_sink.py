"""A mail server that keeps what it is sent: the parts of mail N as files of DIR/N, and last of all DIR/N.json."""

import email
import json
import sys
import time
from email import policy
from pathlib import Path

from aiosmtpd.controller import Controller

PORT, DIR = int(sys.argv[1]), Path(sys.argv[2])


class Keeper:
    def __init__(self):
        self.count = 0

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=policy.default)
        number, self.count = self.count, self.count + 1
        folder = DIR / str(number)
        folder.mkdir()
        files = {}
        for part in mail.iter_attachments():
            path = folder / Path(part.get_filename()).name
            path.write_bytes(part.get_payload(decode=True))
            files[part.get_filename()] = part.get_content_type()
        told = {
            "to": envelope.rcpt_tos,
            "from": mail["From"],
            "subject": mail["Subject"],
            "text": mail.get_body(("plain",)).get_content(),
            "files": files,
        }
        unseen = DIR / f"{number}.part"
        unseen.write_text(json.dumps(told))
        unseen.rename(DIR / f"{number}.json")
        return "250 OK"


Controller(Keeper(), hostname="127.0.0.1", port=PORT).start()
while True:
    time.sleep(3600)
