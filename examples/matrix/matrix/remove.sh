#!/bin/sh
# Removes the parts that are installed; configuration stays.
set -eu
# shellcheck disable=SC2046
dpkg --remove $(dpkg-query --show --showformat '${Package}\n' 'acme-*')
