#!/bin/sh
# Steps for a Debian package: step.sh released|new|edit|release|smoke|remove|purge [SUITE]
#
# PACKAGE is its name; a folder `new` beside this script holds its new version, if there is one.
set -eu
export DEBIAN_FRONTEND=noninteractive
get() {
	apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
		--no-install-recommends "$@"
}
here=$(dirname "$0")

case $1 in
released)
	get update
	if [ -d "$here/new" ] && ! apt-cache show "$PACKAGE" > /dev/null 2>&1; then
		echo "the mirror has no $PACKAGE that could be upgraded"
		exit 77
	fi
	get install "$PACKAGE"
	;;
new)
	get update
	if [ -d "$here/new" ]; then
		# apt wants to read the file as another user, from a folder that it may enter.
		cp -R "$here/new" /var/tmp/new
		get install /var/tmp/new/*.deb
		rm -R /var/tmp/new
	else
		get install "$PACKAGE"
	fi
	;;
edit)
	# A line of the administrator in the first configuration file, if the package has any.
	dpkg-query --show --showformat '${Conffiles}\n' "$PACKAGE" |
		sed -n 's/^ \(\/etc[^ ]*\) [0-9a-f]*$/\1/p' | head -n 1 |
		while read -r file; do echo '# kept by the administrator' >> "$file"; done
	;;
release)
	. /etc/os-release
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		[ ! -f "$file" ] || sed -i "s/\<$VERSION_CODENAME\>/$2/g" "$file"
	done
	;;
smoke)
	[ "$(dpkg-query --show --showformat '${db:Status-Status}' "$PACKAGE")" = installed ]
	[ -z "$(dpkg --audit)" ]
	;;
remove)
	get remove "$PACKAGE"
	;;
purge)
	get purge "$PACKAGE"
	# Also what something else only recommends or suggests: it was not there before.
	get autoremove --purge -o APT::AutoRemove::RecommendsImportant=false \
		-o APT::AutoRemove::SuggestsImportant=false
	;;
*)
	echo "no step is called $1" >&2
	exit 64
	;;
esac
