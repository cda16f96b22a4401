#!/usr/bin/env bash
# Takes the pictures of docs/how-to/wireshark.md in a Wireshark of Debian 12 (4.0) without a screen.
# Needs: apt-get install wireshark xvfb xdotool imagemagick. Look at the pictures before you commit them.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
work=$(mktemp -d)
export HOME=$work DISPLAY=:77 QT_QPA_PLATFORM=xcb XDG_RUNTIME_DIR=$work
Xvfb :77 -screen 0 1500x950x24 >/dev/null 2>&1 &
screen=$!
trap 'kill $screen; rm -rf "$work"' EXIT
sleep 2
"$here/.venv/bin/scep-analyzer" wireshark install --profile >/dev/null

# Opens a capture in $work (its name is in the picture) and waits until its window is there and drawn.
open() {
    wireshark -C SCEP "$@" >/dev/null 2>&1 &
    program=$!
    sleep 10
    window=$(xdotool search --onlyvisible --name '\.pcap' | head -1)
    xdotool windowmove "$window" 0 0 windowsize "$window" 1500 760
    sleep 2
}
drag() { xdotool mousemove "$1" "$2" mousedown 1 mousemove $((($1 + $3) / 2)) $((($2 + $4) / 2)) mousemove "$3" "$4" mouseup 1; sleep 1; }
press() { xdotool mousemove "$1" "$2" click 1; sleep "${3:-1}"; }
take() { import -window root -crop "$2" +repage +dither -depth 8 -colors 64 -strip "PNG8:$here/docs/how-to/pictures/$1"; }

cp captures/scenarios/ndes-refused-template.pcap "$work"
open -Y scep -g 19 "$work/ndes-refused-template.pcap"
drag 750 415 750 200    # the packet list gets small, the tree large
drag 750 400 1050 400
press 11 286            # unfold SCEP
press 31 376            # unfold the HRESULT
press 200 121
press 200 167 2
take wireshark-tree.png 1500x530+0+0
kill $program; wait $program || true

cp captures/faults/transactions/pending-never-resolved.near-miss.pcap "$work/pending-then-issued.pcap"
open -Y scep "$work/pending-then-issued.pcap"
press 325 10            # Statistics
press 356 436 4         # Flow Graph
press 18 553 3          # Limit to display filter
take wireshark-ladder.png 1500x610+0+0
kill $program; wait $program || true
