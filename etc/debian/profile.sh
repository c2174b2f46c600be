# Mail of users arrives in ~/Mailbox (see /etc/default/qtwisted); root's is in /var/mail/root, where programs look anyway.
if [ -f "$HOME/Mailbox" ] && [ "$(id -u)" != 0 ]; then
	MAIL=$HOME/Mailbox
	export MAIL
fi
