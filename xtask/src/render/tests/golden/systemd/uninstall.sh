#!/bin/sh
# Removes what install.sh installed. Running it again changes nothing. `--help` says more.
set -eu

name='acme-gate'
title='Acme Gate'
unit='acme.service'
user='gate'

usage() {
	printf 'Removes %s.\n\n' "$title"
	cat <<'END'
usage: uninstall.sh [--root DIR] [--purge]

  --root DIR   remove below DIR and do nothing else: no service is stopped, no
               user is removed; DIR / is the running system, as without --root
  --purge      remove an edited configuration, state and logs as well
  --help       this text

Stops the service and removes the files that install.sh wrote. An edited
configuration is kept, and so are state and logs unless they are empty.

Exit codes: 0 removed, 1 failed, 2 wrong usage.
END
}

say() {
	printf '%s: %s\n' "$name" "$1"
}

fail() {
	printf '%s: error: %s\n' "$name" "$1" >&2
	exit "${2:-1}"
}

root=
purge=no
while [ $# -gt 0 ]; do
	case $1 in
	--root)
		[ -n "${2-}" ] || fail '--root needs a folder' 2
		root=$2
		shift
		;;
	--root=*)
		root=${1#--root=}
		[ -n "$root" ] || fail '--root needs a folder' 2
		;;
	--purge) purge=yes ;;
	--help)
		usage
		exit 0
		;;
	*) fail "unknown argument: $1 (see --help)" 2 ;;
	esac
	shift
done
while [ "$root" != "${root%/}" ]; do
	root=${root%/}
done

bin=$root'/usr/local/bin/acmed'
config_folder=$root'/etc/acme-gate'
config=$root'/etc/acme-gate/gate.toml'
state=$root'/var/lib/acme-gate'
logs=$root'/var/log/acme-gate'
unit_file=$root'/etc/systemd/system/acme.service'
sysusers=$root'/etc/sysusers.d/acme-gate.conf'
tmpfiles=$root'/etc/tmpfiles.d/acme-gate.conf'
drop_in=$root'/etc/systemd/system/acme.service.d/50-notify-reload.conf'
share=$root'/usr/local/share/acme-gate'
shipped=$share/'gate.toml'

if [ -z "$root" ]; then
	[ "$(id -u)" -eq 0 ] || fail 'root is needed (or --root DIR)'
	if [ -d /run/systemd/system ] && [ -f "$unit_file" ]; then
		systemctl stop -- "$unit"
	fi
	if [ -f "$unit_file" ]; then
		systemctl disable --quiet -- "$unit"
	fi
fi

# What the user owns is kept together with the user; the configuration belongs to root.
kept_config=no
kept_data=no

# A configuration that cannot be compared may have been edited.
if [ -e "$config" ]; then
	if [ "$purge" = yes ] || { [ -f "$shipped" ] && cmp -s -- "$shipped" "$config"; }; then
		rm -f -- "$config"
	else
		kept_config=yes
		say "kept $config: it was edited"
	fi
fi
rm -f -- "$config.new"
rm -f -- "$bin" "$unit_file" "$sysusers" "$tmpfiles" "$drop_in"

# Folders go only when they are empty, so nobody else's file is lost.
for folder in "$state" "$logs"; do
	# Private folders of a service with DynamicUser= are links; ours are folders.
	if [ ! -d "$folder" ] || [ -L "$folder" ]; then
		continue
	fi
	if [ "$purge" = yes ]; then
		rm -rf -- "$folder"
	else
		rmdir -- "$folder" 2>/dev/null || {
			kept_data=yes
			say "kept $folder: it is not empty (--purge removes it)"
		}
	fi
done
if [ -d "$config_folder" ]; then
	rmdir -- "$config_folder" 2>/dev/null || [ "$kept_config" = yes ] || say "kept $config_folder: it is not empty"
fi

# The user goes only if install.sh made it, and not while a file is left that would fall to the next user of its number.
if [ -z "$root" ] && [ "$kept_config" = yes ]; then
	chown root:root -- "$config_folder" "$config"
fi
if [ "$kept_data" = no ]; then
	if [ -z "$root" ] && [ -f "$share/made-user" ] && getent passwd "$user" >/dev/null; then
		# userdel(8) takes a group of the same name along, but only if it is the primary one.
		[ -f "$share/made-group" ] || usermod --gid root -- "$user"
		userdel -- "$user"
	fi
	if [ -z "$root" ] && [ -f "$share/made-group" ] && getent group "$user" >/dev/null; then
		groupdel -- "$user"
	fi
	rm -f -- "$share/made-user" "$share/made-group"
elif [ -f "$share/made-user" ]; then
	say "kept the user $user, who owns what was kept"
fi
if [ -f "$share/made-folders" ]; then
	# The deepest first, and only those that nobody else uses.
	sort -r "$share/made-folders" | while IFS= read -r folder; do
		rmdir -- "$root$folder" 2>/dev/null || :
	done
fi
rm -f -- "$shipped" "$share/uninstall.sh" "$share/made-folders" "$share/unfinished" "$share/restart-needed"
if [ -d "$share" ]; then
	rmdir -- "$share" 2>/dev/null || :
fi

if [ -z "$root" ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl reset-failed --quiet -- "$unit" 2>/dev/null || :
fi
say 'removed'
