#!/bin/sh
# Installs or upgrades the service. Running it again changes nothing. `--help` says more.
set -eu
umask 022

name='acme-gate'
title='Acme Gate'
version='1.2.0-rc.1'
unit='acme.service'
user='gate'

usage() {
	printf 'Installs %s %s as a systemd service.\n\n' "$title" "$version"
	cat <<'END'
usage: install.sh [--root DIR] [--no-start]

  --root DIR   install below DIR and do nothing else: no user is made, nothing
               is enabled or started (for images and packages); DIR / is the
               running system, as without --root
  --no-start   do not enable and start the service on a first install
  --help       this text

A first install enables and starts the service; an upgrade restarts it only if
it was running and its program, unit or configuration changed. What a run that
was interrupted or failed has left to do, the next one does. An edited configuration is kept, and the
new default laid beside it as FILE.new.

Exit codes: 0 installed, 1 failed, 2 wrong usage.
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
start=yes
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
	--no-start) start=no ;;
	--help)
		usage
		exit 0
		;;
	*) fail "unknown argument: $1 (see --help)" 2 ;;
	esac
	shift
done
# With `--root /` nothing is staged; the paths below all start with a slash.
while [ "$root" != "${root%/}" ]; do
	root=${root%/}
done

bin=$root'/usr/local/bin/acmed'
config=$root'/etc/acme-gate/gate.toml'
unit_file=$root'/etc/systemd/system/acme.service'
sysusers=$root'/etc/sysusers.d/acme-gate.conf'
tmpfiles=$root'/etc/tmpfiles.d/acme-gate.conf'
drop_in=$root'/etc/systemd/system/acme.service.d/50-notify-reload.conf'
share=$root'/usr/local/share/acme-gate'
# The configuration as shipped, against which an edited one is told apart.
shipped=$share/'gate.toml'

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
source_bin=$here/'acmed'
source_config=$here/'gate.toml'
source_unit=$here/'acme.service'
source_sysusers=$here/'acme-gate.sysusers.conf'
source_tmpfiles=$here/'acme-gate.tmpfiles.conf'
source_uninstall=$here/'uninstall.sh'

for file in "$source_bin" "$source_config" "$source_unit" "$source_sysusers" "$source_tmpfiles" "$source_uninstall"; do
	[ -f "$file" ] || fail "$file is missing: run this script from the unpacked archive"
done
if [ -z "$root" ]; then
	[ "$(id -u)" -eq 0 ] || fail 'root is needed (or --root DIR)'
	command -v systemctl >/dev/null || fail 'systemctl is missing: this host does not run systemd'
fi

temporary=
trap '[ -z "$temporary" ] || rm -f -- "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

# make_folder FOLDER: those that were missing are noted as they are without --root, for uninstall.sh to remove them again.
make_folder() {
	if [ ! -d "$1" ]; then
		make_folder "$(dirname -- "$1")"
		mkdir -- "$1"
		[ "$1" = "$share" ] || printf '%s\n' "${1#"$root"}" >>"$share/made-folders"
	fi
}

# lay SOURCE TARGET MODE [restart]: written beside and renamed, so that TARGET is never half a file.
# With `restart` a service that runs is to be restarted, which is noted before: this run may not get there.
lay() {
	if [ -f "$2" ] && cmp -s -- "$1" "$2"; then
		chmod -- "$3" "$2"
		return
	fi
	make_folder "$(dirname -- "$2")"
	temporary=$2.tmp-$$
	cp -- "$1" "$temporary"
	chmod -- "$3" "$temporary"
	[ "${4-}" != restart ] || [ "$running" = no ] || : >"$share/restart-needed"
	mv -f -- "$temporary" "$2"
	temporary=
	say "wrote $2"
}

# Asked before anything is written. A first install that was interrupted still is one, until the service is enabled.
mkdir -p -- "$share"
first=no
if [ ! -f "$unit_file" ] || [ -f "$share/unfinished" ]; then
	first=yes
	: >"$share/unfinished"
fi
running=no
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
	case $(systemctl is-active -- "$unit" || :) in
	active | activating | reloading | refreshing) running=yes ;;
	esac
fi

lay "$source_bin" "$bin" 755 restart
lay "$source_unit" "$unit_file" 644 restart
lay "$source_sysusers" "$sysusers" 644
lay "$source_tmpfiles" "$tmpfiles" 644
lay "$source_uninstall" "$share/uninstall.sh" 755

# systemd 253 and newer know Type=notify-reload, with which `systemctl reload` waits for the end of the reload and needs
# no program for it; older ones would refuse the type. The staged host's version is not known here.
systemd=
[ -n "$root" ] || systemd=$(systemctl --version | sed -n '1s/^systemd \([0-9]\{1,\}\).*/\1/p')
if [ "${systemd:-0}" -ge 253 ]; then
	printf '[Service]\nType=notify-reload\nExecReload=\n' >"$share/notify-reload.conf"
	lay "$share/notify-reload.conf" "$drop_in" 644 restart
	rm -f -- "$share/notify-reload.conf"
else
	rm -f -- "$drop_in"
fi

if [ ! -e "$config" ] || { [ -f "$shipped" ] && cmp -s -- "$shipped" "$config"; }; then
	lay "$source_config" "$config" 640 restart
	rm -f -- "$config.new"
elif cmp -s -- "$source_config" "$config"; then
	rm -f -- "$config.new"
else
	lay "$source_config" "$config.new" 640
	say "kept $config, which was edited; the new default is $config.new"
fi
lay "$source_config" "$shipped" 644

if [ -n "$root" ]; then
	rm -f -- "$share/unfinished"
	say "staged version $version below $root"
	exit 0
fi

# Each on its own: the group may be there without the user.
getent passwd "$user" >/dev/null || : >"$share/made-user"
getent group "$user" >/dev/null || : >"$share/made-group"
systemd-sysusers -- "$sysusers"
systemd-tmpfiles --create -- "$tmpfiles"

if [ "$first" = yes ] && [ "$start" = yes ]; then
	: >"$share/restart-needed"
	systemctl enable -- "$unit"
fi
rm -f -- "$share/unfinished"
if [ ! -d /run/systemd/system ]; then
	rm -f -- "$share/restart-needed"
	say "installed version $version; systemd is not running here, so nothing was started"
	exit 0
fi
systemctl daemon-reload
# Who has disabled and stopped it since wants it stopped.
if [ -f "$share/restart-needed" ] && { [ "$running" = yes ] || systemctl is-enabled --quiet -- "$unit"; }; then
	systemctl restart -- "$unit" || fail "installed, but it did not start: see systemctl status $unit"
fi
rm -f -- "$share/restart-needed"
say "installed version $version; the service is $(systemctl is-active -- "$unit" || :)"
