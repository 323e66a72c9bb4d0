#!/usr/bin/perl
# The client, as it was before 4.2.
use strict;
use warnings;
use IO::Socket::INET;

my $what = $ARGV[0] // '';
if ($what eq '--version') { print "acme @VERSION@\n"; exit 0 }
my $port = 7070;
open my $in, '<', '/etc/acme/acme.conf' or die "acme: /etc/acme/acme.conf: $!\n";
while (<$in>) { $port = $1 if /^port=(\d+)/ }
if ($what eq 'port') { print "$port\n"; exit 0 }
if ($what ne 'status') { print STDERR "usage: acme --version | port | status\n"; exit 2 }
my $peer = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
	or die "acme: the service does not answer: $!\n";
print $peer "status\n";
my $answer = <$peer> // '';
print $answer;
exit($answer =~ /^ok / ? 0 : 1);
