#!/bin/sh
# Scripts of a package that was not there before: no file of an older version is to be moved.
# Their arguments stand behind `--`; with an older version, the last one is not empty.
found=
case $1 in
rm_conffile|mv_conffile|symlink_to_dir|dir_to_symlink)
    for word do
        case $found,$word in
        ,--) found=1 ;;
        1,install|1,configure) found=2 ;;
        1,*) found=9 ;;
        2,) ;;
        2,*) found=9 ;;
        esac
    done
    [ "$found" != 2 ] || exit 0 ;;
supports)
    case $2 in rm_conffile|mv_conffile|symlink_to_dir|dir_to_symlink) exit 0 ;; esac ;;
esac
exec /usr/bin/dpkg-maintscript-helper "$@"
