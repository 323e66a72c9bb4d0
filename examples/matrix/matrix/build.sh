#!/bin/sh
# Runs in a build zone, in a private copy of this folder: build.sh VERSION
set -eu
changes=
[ "$(cat product/BRANCH)" = main ] || changes=$(cat product/BRANCH)
# shellcheck disable=SC2086
product/pack.sh "$1" "$(dpkg --print-architecture)" dist $changes
ls -l dist > dist/build.log
