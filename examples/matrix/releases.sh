#!/bin/sh
# Makes the releases of the past, which need no compiler: releases.sh
set -eu
cd "$(dirname "$0")"
for version in 3.9 4.1; do
	for suite in bullseye bookworm trixie; do
		for arch in amd64 i386 arm64 armhf; do
			# As matrix.toml says: that one was never made.
			[ "$version/$suite/$arch" != 3.9/trixie/i386 ] || continue
			product/pack.sh "$version" "$arch" "releases/$version/$suite/$arch"
		done
	done
done
