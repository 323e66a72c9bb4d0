#!/bin/sh
# install.sh FOLDER: the parts of this option, from the packages of a release.
set -eu
. "$(dirname "$0")/parts.sh"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2046
dpkg --install $(parts "$1")
