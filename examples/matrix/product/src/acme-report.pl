#!/usr/bin/perl
# A line about the configuration of this machine, as it was before 4.2.
printf "%s of @VERSION@, %d arguments\n", $0, scalar @ARGV;
