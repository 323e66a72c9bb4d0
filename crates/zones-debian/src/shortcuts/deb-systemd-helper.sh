#!/bin/sh
# Units of a root without systemctl that were never enabled or masked before. All that is not
# exactly that goes to the real helper.
real() { exec /usr/bin/deb-systemd-helper "$@"; }
[ -z "$DPKG_ROOT" ] && [ -z "$_DEB_SYSTEMD_HELPER_DEBUG$_DEB_SYSTEMD_HELPER_PURGE" ] || real "$@"
[ ! -e /usr/bin/systemctl ] && [ ! -e /bin/systemctl ] || real "$@"
verb=$1 unit=$2
case $#,$verb,$unit in
3,--quiet,was-enabled) verb=was-enabled unit=$3 ;;
2,*) ;;
*) real "$@" ;;
esac
case $unit in *[!a-zA-Z0-9_.-]*|-*|.*|'') real "$@" ;; esac
state=/var/lib/systemd/deb-systemd-helper-enabled
[ ! -e "$state/$unit.dsh-also" ] || real "$@"
[ ! -e /var/lib/systemd/deb-systemd-helper-masked ] || real "$@"
[ ! -e "/etc/systemd/system/$unit" ] && [ ! -L "/etc/systemd/system/$unit" ] || real "$@"
case $verb in
unmask|was-enabled) exit 0 ;;
enable) ;;
*) real "$@" ;;
esac
file=/lib/systemd/system/$unit
[ -f "$file" ] || real "$@"
wants=
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    [Ww]anted[Bb]y=*|[Rr]equired[Bb]y=*)
        case $line in
        WantedBy=*) kind=wants ;;
        RequiredBy=*) kind=requires ;;
        *) real "$@" ;;
        esac
        for target in ${line#*=}; do
            case $target in *[!a-zA-Z0-9_.-]*) real "$@" ;; esac
            wants="$wants $target.$kind"
        done ;;
    *[Ww]anted*=*|*[Rr]equired[Bb]y*=*|*[Aa]lso=*|*[Aa]lias=*|*[Dd]efault[Ii]nstance=*) real "$@" ;;
    esac
done < "$file"
[ -n "$wants" ] || exit 0
umask 022
for dir in $wants; do
    [ ! -e "$state/$dir/$unit" ] && [ ! -L "/etc/systemd/system/$dir/$unit" ] || real "$@"
done
for dir in $wants; do
    mkdir -p "$state/$dir" "/etc/systemd/system/$dir"
    ln -s "$file" "/etc/systemd/system/$dir/$unit"
    : > "$state/$dir/$unit"
    echo "/etc/systemd/system/$dir/$unit" >> "$state/$unit.dsh-also"
done
