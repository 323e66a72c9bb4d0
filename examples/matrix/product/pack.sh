#!/bin/sh
# Makes the packages of a release: pack.sh VERSION ARCHITECTURE FOLDER [CHANGES]
#
# CHANGES is the name of a folder beside this file whose files go over those of `tree`; its `gone`
# names files that are left out. From 4.2 on the programs are compiled, before they were scripts.
set -eu
umask 022
version=$1 arch=$2 out=$3 changes=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$here/tree/." "$work"
for over in "$version" $changes; do
	[ -d "$here/$over" ] || continue
	if [ -f "$here/$over/gone" ]; then
		while read -r file; do rm "$work/$file"; done < "$here/$over/gone"
	fi
	cp -R "$here/$over/." "$work"
	rm -f "$work/gone"
done

compile() { # SOURCE PROGRAM [FLAGS...]
	source=$1 program=$2
	shift 2
	cc -O2 -Wall -DVERSION="\"$version\"" -o "$program" "$here/src/$source" "$@"
	strip "$program"
}
mkdir -p "$out" "$work/acme-client/usr/bin" "$work/acme-tools/usr/bin"
case $version in
3.* | 4.0 | 4.1)
	cp "$here/src/acme.pl" "$work/acme-client/usr/bin/acme"
	cp "$here/src/acme-report.pl" "$work/acme-tools/usr/bin/acme-report"
	;;
*)
	faulty=
	# Fault of that branch: the program needs a library that the package does not depend on.
	[ "$changes" != faulty ] || faulty='-DFAULTY -lpopt'
	compile acme.c "$work/acme-client/usr/bin/acme"
	# shellcheck disable=SC2086
	compile acme-report.c "$work/acme-tools/usr/bin/acme-report" $faulty
	;;
esac
chmod 755 "$work/acme-client/usr/bin/acme" "$work/acme-tools/usr/bin/acme-report"
grep -rlI '@VERSION@\|@ARCH@' "$work" | while read -r file; do
	sed -i -e "s/@VERSION@/$version/g" -e "s/@ARCH@/$arch/g" "$file"
done
for package in "$work"/acme-*; do
	dpkg-deb --root-owner-group --build -Zgzip "$package" "$out" > /dev/null
done
