"""A mailing list as people kept them in .qmail files: each subscriber has a sender of his own, who gets his bounces.

The list is on one system, its subscribers on another one, and both are real.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from test.kit.homes import SingleHome
from test.kit.running import wait_until

LIST = "&good@far.example\n&bad@far.example\n&lost@nowhere.example\n&me@lists.example\n"
NOTE = '|echo "<$SENDER> $DEFAULT $RECIPIENT" >> noted\n./bounced\n'


class ListTests(SynchronousTestCase):
    """list@lists.example, and far.example."""

    def setUp(self) -> None:
        """Make both systems, and have each send everything to the other."""
        self.lists, self.far = SingleHome(self, "lists.example"), SingleHome(self, "far.example")
        self.write(self.lists, ".qmaillist", LIST)
        self.write(self.far, ".qmailbad", "|bouncesaying 'nobody of that name'\n")
        ports = [home.up().port() for home in (self.lists, self.far)]
        for home, port in zip((self.lists, self.far), reversed(ports), strict=True):
            home.control("smtproutes", f":[127.0.0.1]:{port}\n")

    def write(self, home: SingleHome, name: str, text: str) -> None:
        """Write a file into the home of the one user."""
        with open(f"{home.path}/mail/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def read(self, name: str) -> str:
        """A file in the home of the list's user; empty if it is not there."""
        try:
            with open(f"{self.lists.path}/mail/{name}", encoding="latin-1") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def post(self) -> None:
        """Write to the list."""
        done = self.lists.run([self.lists.program("qmail-inject"), "-fposter@lists.example", "list@lists.example"],
                              b"Subject: to all\n\nnews\n")
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def senders(self, home: SingleHome) -> list[str]:
        """Who sent the messages in the Maildir of a system."""
        return [message.split(b"\n", 1)[0].decode() for message in home.mailbox()]

    def test_verp(self) -> None:
        """With -owner and -owner-default every subscriber's bounce comes to an address that names him.

        Those our own qmail-send cannot reach have no such sender yet: they stand in one bounce to all of them.
        """
        self.write(self.lists, ".qmaillist-owner", "./owner\n")
        self.write(self.lists, ".qmaillist-owner-default", NOTE)
        self.post()
        wait_until(lambda: self.read("noted").count("\n") == 2, "two bounces")
        self.assertEqual(sorted(self.read("noted").splitlines()), [
            "<>  list-owner-@lists.example",
            "<> bad=far.example list-owner-bad=far.example@lists.example"])
        for home, name in ((self.far, "good=far.example"), (self.lists, "me=lists.example")):
            wait_until(home.names, "the message")
            self.assertEqual(self.senders(home), [f"Return-Path: <list-owner-{name}@lists.example>"])
        wait_until(lambda: not self.lists.queued() and not self.far.queued(), "the end of everything")
        bounced = self.read("bounced")
        self.assertIn("\n<bad@far.example>:\nnobody of that name\n", bounced)
        refusal = "\n<lost@nowhere.example>:\n127.0.0.1 does not like recipient.\nRemote host said: 553 "
        self.assertIn(refusal, bounced)
        self.assertEqual(self.read("owner"), "")

    def test_owner(self) -> None:
        """With -owner alone all bounces come to one address, and none to who wrote."""
        self.write(self.lists, ".qmaillist-owner", "./owner\n")
        self.post()
        wait_until(lambda: self.read("owner").count("\nTo: list-owner@lists.example\n") == 2, "both bounces")
        wait_until(self.far.names, "the message")
        self.assertEqual(self.senders(self.far), ["Return-Path: <list-owner@lists.example>"])
        wait_until(lambda: not self.lists.queued() and not self.far.queued(), "the end of everything")
        self.assertEqual(len(self.lists.names()), 1)

    def test_without_owner(self) -> None:
        """Without either bounces go to who wrote."""
        self.post()
        wait_until(lambda: len(self.lists.names()) == 3, "the message and two bounces")
        self.assertEqual(sorted(self.senders(self.lists)),
                         ["Return-Path: <>", "Return-Path: <>", "Return-Path: <poster@lists.example>"])
        self.assertFalse(os.path.exists(f"{self.lists.path}/mail/noted"))
