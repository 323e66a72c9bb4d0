#!/bin/sh
# The steps of a package of Debian, which PACKAGE names.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt='apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold'

# A configuration file of the package, the first of its list.
conffile() {
	dpkg-query --show --showformat '${Conffiles}\n' "$PACKAGE" | sed -n 's/^ \(\/etc[^ ]*\) .*/\1/p' |
		head -n 1
}

case $1 in
install)
	$apt update
	$apt install --no-install-recommends "$PACKAGE"
	;;
edit)
	echo '# a line of the administrator' >> "$(conffile)"
	;;
release)
	. /etc/os-release
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		[ ! -f "$file" ] || sed -i "s/$VERSION_CODENAME/$2/g" "$file"
	done
	$apt update
	$apt dist-upgrade
	;;
smoke)
	dpkg-query --listfiles "$PACKAGE" > /dev/null
	[ "$(dpkg-query --show --showformat '${db:Status-Status}' "$PACKAGE")" = installed ]
	;;
remove)
	$apt remove "$PACKAGE"
	;;
purge)
	$apt purge "$PACKAGE"
	# Also what something else only recommends or suggests: it was not there before.
	$apt autoremove --purge -o APT::AutoRemove::RecommendsImportant=false \
		-o APT::AutoRemove::SuggestsImportant=false
	;;
esac
