# fish completion for zones, zoneadm, zonecfg, zlogin, zonename, zoneadmd, beadm and packages.
# What can be said is asked from the program itself.

function __zones_names
    zoneadm list -cn 2>/dev/null
end

function __zones_subcommands
    zoneadm help 2>/dev/null | sed -n '/^Subcommands:/,$ { s/^\([a-z-]\{1,\}\).*/\1/p }'
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
complete -c zoneadm -n '__fish_seen_subcommand_from boot' -s B -x -d 'boot environment'
complete -c zoneadm -n '__fish_seen_subcommand_from clone' -a '(__zones_names)'
complete -c zoneadm -n '__fish_seen_subcommand_from clone' -s m -x -a copy -d method
complete -c zoneadm -n '__fish_seen_subcommand_from clone' -s s -x -d snapshot
complete -c zoneadm -n '__fish_seen_subcommand_from clone' -s X -d 'keep the identity of the source'
complete -c zoneadm -n '__fish_seen_subcommand_from snapshot' -l due -d 'what the schedule asks for'
complete -c zoneadm -n '__fish_seen_subcommand_from rollback' -s r -d 'halt before, boot after'
complete -c zoneadm -n '__fish_seen_subcommand_from df' -a '-s -p -o'
complete -c zoneadm -n '__fish_seen_subcommand_from diff' -l verify-diff -d 'compare all files, too'
complete -c zoneadm -n '__fish_seen_subcommand_from set' -x -a 'quota= reservation='
complete -c zoneadm -n '__fish_seen_subcommand_from list-snapshots' -a '-H -p -o'
complete -c zoneadm -n '__fish_seen_subcommand_from base' -a 'list create verify destroy -H -p -o -s -t'
complete -c zoneadm -n '__fish_seen_subcommand_from move' -x -a '(__fish_complete_directories)'
complete -c zoneadm -n '__fish_seen_subcommand_from boot' -s w -d 'writable this once'
complete -c zoneadm -n '__fish_seen_subcommand_from boot' -s W -d 'wait until it is up'
complete -c zoneadm -n '__fish_seen_subcommand_from export import' -F
complete -c zoneadm -n '__fish_seen_subcommand_from export' -s s -x -d snapshot
complete -c zoneadm -n '__fish_seen_subcommand_from export' -s i -x -d 'snapshot that the receiver has'
complete -c zoneadm -n '__fish_seen_subcommand_from export' -l resume -x -d 'token of import -t'
complete -c zoneadm -n '__fish_seen_subcommand_from import' -s d -r -d zonepath
complete -c zoneadm -n '__fish_seen_subcommand_from import' -s r -d 'keep what comes, go on'
complete -c zoneadm -n '__fish_seen_subcommand_from import' -s F -d 'give up changes'
complete -c zoneadm -n '__fish_seen_subcommand_from import' -s t -d 'print the token'
complete -c zoneadm -n '__fish_seen_subcommand_from mark' -a incomplete
complete -c zoneadm -n '__fish_seen_subcommand_from sysboot' -a stop
complete -c zoneadm -n '__fish_seen_subcommand_from install' -s a -r -d 'mirror or archive'
complete -c zoneadm -n '__fish_seen_subcommand_from install' -s P -x -d 'publisher and its origin'
complete -c zoneadm -n '__fish_seen_subcommand_from install' -s e -x -d 'more packages'
complete -c zoneadm -n '__fish_seen_subcommand_from attach' -s u -d 'bring packages in step'
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

complete -c beadm -s z -x -a '(__zones_names)' -d zone
complete -c beadm -n '__fish_seen_subcommand_from create' -s e -x -d 'environment or @snapshot'
complete -c beadm -n '__fish_seen_subcommand_from list' -a '-a -s -H -p -o'
complete -c beadm -n __fish_use_subcommand -a 'activate create destroy list mount rename unmount'

function __zones_pkg_subcommands
    pkg help 2>/dev/null | sed -n 's/^  \([a-z-]\{1,\}\) .*/\1/p'
end

complete -c pkg -n __fish_use_subcommand -a '(__zones_pkg_subcommands)'
complete -c pkg -s R -x -a '(__fish_complete_directories)' -d image

function __zones_subcommands_of
    $argv[1] help 2>/dev/null | sed -n '/^Subcommands:/,$ { s/^\([a-z-]\{1,\}\) .*/\1/p }'
end

for command in pkg pkgrepo pkgsend
    complete -c $command -n __fish_use_subcommand -a "(__zones_subcommands_of $command)"
    complete -c $command -s s -r -d repository
    complete -c $command -s p -x -d publisher
end
complete -c pkgrecv -s s -r -d source
complete -c pkgrecv -s d -r -d destination
complete -c pkgrecv -s m -x -a 'latest all-versions all-timestamps' -d versions
complete -c pkgrecv -s a -d 'make an archive'
complete -c pkgrecv -s r -d 'with dependencies'
complete -c pkgrecv -l clone -d 'the whole repository'
complete -c pkgsign -s s -r -d repository
complete -c pkgsign -s c -r -d certificate
complete -c pkgsign -s k -r -d key
complete -c pkgsign -l sign-all -d 'all packages'

complete -c autopkgtest-virt-zones -f -s s -x -d snapshot
complete -c autopkgtest-virt-zones -l network -x -a 'none local full' -d 'what testbeds reach'
complete -c autopkgtest-virt-zones -f -a '(__zones_names)'
complete -c zonematrix -s f -r -d 'matrix file'
complete -c zonematrix -x -a 'plan run image noise status shell log leftovers report diff deb slurm k8s gc doctor' -d 'support matrix'
complete -c zonematrix -l watch -d 'status: until the run ends'
complete -c zonematrix -l before -d 'shell: before a step'
complete -c zonematrix -l after -d 'shell: after a step'
complete -c zonematrix -l build -d 'shell: where the artifact is built'
complete -c zonematrix -l follow -d 'log: until the cell ends'
complete -c zonematrix -l import -r -d 'noise: ignore lists of piuparts'
complete -c zonename -f -s t -d 'type of the network'
complete -c zoneadmd -f -s z -x -a '(__zones_names)' -d zone
complete -c pkg.depotd -f
complete -c pkg.depotd -s d -x -a '(__fish_complete_directories)' -d repository
complete -c pkg.depotd -s p -x -d port
complete -c pkg.depotd -s a -x -d address
complete -c pkg.depotd -s s -x -d 'connections served at once'
complete -c pkg.depotd -s t -x -d 'silence between requests'
complete -c pkg.depotd -l readonly -d 'clients can change nothing'
complete -c pkg.depotd -l mirror -d 'content of packages only'
complete -c pkg.depotd -l add-content -d 'list what was added'
complete -c pkg.depotd -l rebuild -d 'make catalogs and index anew'
complete -c pkg.depotd -l exit-ready -d 'end when ready'
complete -c pkg.depotd -l disable-ops -x -d operations
complete -c pkg.depotd -l content-root -x -a '(__fish_complete_directories)' -d 'files for the pages'
complete -c pkg.depotd -l proxy-base -x -d 'URL of a proxy'
complete -c pkg.depotd -l log-access -r -d 'access log'
complete -c pkg.depotd -l log-errors -r -d 'error log'
complete -c pkg.depotd -l ssl-cert-file -r -d certificates
complete -c pkg.depotd -l ssl-key-file -r -d key
complete -c pkg.depotd -l ssl-ca-file -r -d 'authorities of clients'
complete -c pkg.depotd -l auth-token-file -r -d 'tokens of publishers'
complete -c pkg.depotd -l cfg -r -d 'configuration file'
complete -c pkg.depotd -l unix -r -d socket
