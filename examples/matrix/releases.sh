#!/bin/sh
# Makes the releases of the past, which need no compiler: releases.sh
set -eu
cd "$(dirname "$0")"
for version in 3.9 4.1; do
	for suite in bullseye bookworm trixie; do
		for arch in amd64 i386 arm64 armhf; do
			product/pack.sh "$version" "$arch" "releases/$version/$suite/$arch"
		done
	done
done
