# fish completion for zones, zoneadm, zonecfg, zlogin, zonename and zoneadmd.
# What can be said is asked from the program itself.

function __zones_names
    zoneadm list -cn 2>/dev/null
end

function __zones_subcommands
    zoneadm help 2>/dev/null | sed -n '/^Subcommands:/,$ { s/^\([a-z]\{1,\}\).*/\1/p }'
end

function __zones_no_subcommand
    not __fish_seen_subcommand_from (__zones_subcommands)
end

complete -c zones -n __fish_use_subcommand -f -a '(zones applets 2>/dev/null) applets version help'

complete -c zoneadm -f
complete -c zoneadm -s z -x -a '(__zones_names)' -d zone
complete -c zoneadm -s u -x -d uuid
complete -c zoneadm -s R -x -a '(__fish_complete_directories)' -d root
complete -c zoneadm -n __zones_no_subcommand -a '(__zones_subcommands)'
complete -c zoneadm -n '__fish_seen_subcommand_from list' -a '-c -i -n -p -v -s -o'
complete -c zoneadm -n '__fish_seen_subcommand_from apply' -a '-n -q -v'
complete -c zoneadm -n '__fish_seen_subcommand_from mark' -a incomplete
complete -c zoneadm -n '__fish_seen_subcommand_from sysboot' -a stop
complete -c zoneadm -n '__fish_seen_subcommand_from install' -s a -r -d 'mirror or archive'
complete -c zoneadm -n '__fish_seen_subcommand_from install' -s d -r -d folder
complete -c zoneadm -n '__fish_seen_subcommand_from install' -s c -r -d 'first-boot settings'

complete -c zonecfg -f
complete -c zonecfg -s z -x -a '(__zones_names)' -d zone
complete -c zonecfg -s f -r -d 'command file'
complete -c zonecfg -s r -d 'change the running zone'
complete -c zonecfg -s R -x -a '(__fish_complete_directories)' -d root
complete -c zonecfg -a 'help create delete export info set add remove verify commit reload'

complete -c zlogin -x -a '(zoneadm list -n 2>/dev/null)'
complete -c zlogin -s C -d console
complete -c zlogin -s l -x -d user
complete -c zlogin -s S -d 'safe mode'
complete -c zlogin -s e -x -d 'escape character'

complete -c zonename -f -s t -d 'type of the network'
complete -c zoneadmd -f -s z -x -a '(__zones_names)' -d zone
