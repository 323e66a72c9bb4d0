#!/bin/sh
# Removes what is left, configuration too.
set -eu
# shellcheck disable=SC2046
dpkg --purge $(dpkg-query --show --showformat '${Package}\n' 'acme-*')
