#!/bin/sh
# upgrade.sh FOLDER: as an administrator does who keeps the configuration.
set -eu
. "$(dirname "$0")/parts.sh"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2046
dpkg --force-confdef --force-confold --install $(parts "$1")
