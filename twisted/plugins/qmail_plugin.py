"""Makes ``twistd qmail`` known. Every twistd on the machine loads this file, so it holds names only."""

from twisted.application.service import ServiceMaker

qmail = ServiceMaker("qmail", "qtwisted.admin.twistd", "The qmail mail system", "qmail")
