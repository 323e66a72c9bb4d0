# Sourced: the packages of the parts in ACME_PARTS.
parts() { # FOLDER
	echo "$1"/acme-common_*.deb
	for part in $ACME_PARTS; do
		echo "$1"/acme-"$part"_*.deb
	done
}
