#!/bin/sh
# Does what was installed work?
set -eu
has() { case " $ACME_PARTS " in *" $1 "*) ;; *) return 1 ;; esac; }

# The last line of the configuration counts, whoever wrote it.
port=$(sed -n 's/^port=//p' /etc/acme/acme.conf | tail -n 1)
if has client; then
	acme --version
	[ "$(acme port)" = "$port" ] || { echo "the client does not read the configuration"; exit 1; }
fi
if has server; then
	# The service was started a moment ago, and may take one.
	tries=0
	until perl -MIO::Socket::INET -e '
		my $peer = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ARGV[0]) or exit 1;
		print $peer "status\n";
		print my $answer = <$peer> // "";
		exit($answer !~ /^ok /);' "$port"; do
		tries=$((tries + 1))
		[ "$tries" -lt 50 ] || { echo "the service does not answer on port $port"; exit 1; }
		sleep 0.1
	done
	. /etc/default/acmed
	[ "$DATA" = "${ACME_PREFIX:-/var/lib/acme}" ] || { echo "messages are kept in $DATA"; exit 1; }
fi
! has client || ! has server || acme status
