# bash completion for zones, zoneadm, zonecfg, zlogin, zonename and the commands of packages.
# What can be said is asked from the program itself, so that this file does not go stale.

_zones_names() {
    zoneadm list -cn 2>/dev/null
}

_zones_subcommands() {
    zoneadm help 2>/dev/null | sed -n '/^Subcommands:/,$ { s/^\([a-z-]\{1,\}\).*/\1/p }'
}

_zones_applet() {
    local applet=$1 first=$2
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words= i=$first
    case $prev in
        -z) COMPREPLY=($(compgen -W "$(_zones_names)" -- "$cur")); return ;;
        -R | -d) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        -f | -a | -c | --keyring | --cfg | --*-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    esac
    case $applet in
        zoneadm)
            local sub=
            while ((i < COMP_CWORD)); do
                case ${COMP_WORDS[i]} in
                    -z | -u | -R) ((i++)) ;;
                    -*) ;;
                    *) sub=${COMP_WORDS[i]}; break ;;
                esac
                ((i++))
            done
            case $sub in
                '') words="-z -u -R $(_zones_subcommands)" ;;
                list) words='-c -i -n -p -v -s -o' ;;
                boot) words='-s -f -w -W -B --' ;;
                clone) words="-m -s -X -c $(_zones_names)" ;;
                snapshot) words='--due -a' ;;
                rollback) words=-r ;;
                list-snapshots) words='-H -p -o' ;;
                base) words='list create verify destroy -H -p -o -s -t' ;;
                diff) words='-p -o -t --verify-diff' ;;
                df) words='-s -p -o' ;;
                set) words='quota= reservation=' ;;
                doctor) words=-o ;;
                move) COMPREPLY=($(compgen -d -- "$cur")); return ;;
                ready) words=-n ;;
                apply) words='-n -q -v' ;;
                shutdown) words='-r -t' ;;
                install) words='-P -e -a -b -d -c --suite --arch --include --variant --keyring' ;;
                attach) words='-F -n -u -U' ;;
                detach) words=-n ;;
                uninstall) words=-F ;;
                export | import)
                    [[ $cur != -* ]] && { COMPREPLY=($(compgen -f -- "$cur")); return; }
                    words='-s -i --resume'
                    [[ $sub == import ]] && words='-d -r -F -t'
                    ;;
                mark) words=incomplete ;;
                sysboot) words=stop ;;
                help) words=$(_zones_subcommands) ;;
            esac
            ;;
        zonecfg)
            words='-z -f -r -R help create delete export info set add remove verify commit reload'
            ;;
        zlogin)
            case $cur in
                -*) words='-C -d -e -E -i -I -N -l -n -Q -S' ;;
                *) words=$(zoneadm list -n 2>/dev/null) ;;
            esac
            ;;
        beadm) words='-z activate create destroy list mount rename unmount -a -e -f -H -p -s -o' ;;
        pkg | pkgrepo | pkgsend)
            if ((COMP_CWORD == first)); then
                words="$("$applet" help 2>/dev/null |
                    sed -n '/^Subcommands:/,$ { s/^\([a-z-]\{1,\}\) .*/\1/p }')"
            elif [[ $cur != -* ]]; then
                COMPREPLY=($(compgen -f -- "$cur"))
                return
            else
                words='-s -p -n -H -F -d -b -T --no-catalog --no-index'
            fi
            ;;
        pkgrecv)
            case $cur in
                -*) words='-s -d -m -p -n -r -v -a --raw --clone --newest --cert --key' ;;
                *) COMPREPLY=($(compgen -f -- "$cur")); return ;;
            esac
            ;;
        pkgsign)
            case $cur in
                -*) words='-s -a -c -k -i -n --sign-all' ;;
                *) COMPREPLY=($(compgen -f -- "$cur")); return ;;
            esac
            ;;
        zonename) words=-t ;;
        autopkgtest-virt-zones)
            words="-s --network=none --network=local --network=full $(zoneadm list -cn 2>/dev/null)"
            ;;
        zonematrix | matrix)
            case $cur in
                -*) words='-f -j --resume --failed --shard --keep --strict --json' ;;
                *) words=$(zones matrix help 2>/dev/null | sed -n '/^Subcommands:/,$ { s/^\([a-z-]\{1,\}\).*/\1/p }') ;;
            esac
            ;;
        zoneadmd) words='-z -R' ;;
        pkg.depotd)
            words=$(pkg.depotd --help 2>/dev/null | grep -o -- '^  -[^ ,]*\(, --[^ ]*\)*' | tr -d ',')
            ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

_zones() {
    local name=${COMP_WORDS[0]##*/}
    if [[ $name != zones ]]; then
        _zones_applet "$name" 1
    elif ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "$(zones applets 2>/dev/null) applets version help" \
            -- "${COMP_WORDS[1]}"))
    else
        _zones_applet "${COMP_WORDS[1]}" 2
    fi
}

complete -F _zones zones zoneadm zonecfg zlogin zonename beadm pkg
complete -F _zones pkgrepo pkgsend pkgrecv pkgsign pkg.depotd zonematrix
