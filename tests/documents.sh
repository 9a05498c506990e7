#!/usr/bin/env bash
# Holds the documents to the program and the tree: documents.sh PROGRAM
# Relative links lead to files (and headings) that are there, the README stays short, and every flag that the README and docs/ name
# is in the program's help: of any verb where it stands alone, of that verb where it stands in a command.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${1:?the path of the program, such as target/release/sporeprint}")
readme_lines=120
# Flags of cargo, in its own commands.
others=" --release --workspace --path --open --example "

faults=0
fault() { echo "$*" >&2; faults=$((faults + 1)); }
# Headings as the anchors that a forge makes of them.
anchors() { sed -n 's/^##* //p' "$1" | tr 'A-Z' 'a-z' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'; }
flags() { grep -oE -e '(^|[^a-z0-9-])--[a-z][a-z0-9-]+' | grep -oE -e '--[a-z0-9-]+' | sort -u || true; }

found=$(wc -l <README.md)
[ "$found" -le "$readme_lines" ] || fault "README.md: found $found lines, expected $readme_lines at most"

links=0
for page in README.md docs/*.md benches/*.md; do
    while read -r link; do
        case $link in http:* | https:* | mailto:*) continue ;; esac
        links=$((links + 1))
        file=${link%%#*}
        target=$page
        [ -z "$file" ] || target=$(dirname "$page")/$file
        if [ ! -e "$target" ]; then
            fault "$page: $link leads nowhere"
        elif [ "$link" != "$file" ] && ! anchors "$target" | grep -qxF -e "${link#*#}"; then
            fault "$page: $link: no such heading in $target"
        fi
    done < <(grep -oE '\]\([^) ]+\)' "$page" | sed 's/^](//; s/)$//')
done

declare -A help
# Verbs stand two spaces in, with what they do beside them.
for verb in $("$program" --help | sed -n 's/^  \([a-z][a-z-]*\)  *[A-Z].*/\1/p'); do
    help[$verb]=" $("$program" help "$verb" | flags | tr '\n' ' ') "
done
[ "${#help[@]}" -gt 0 ] || fault "found no verbs in the help of $program"
all="${help[*]} $("$program" --help | flags | tr '\n' ' ') --version "

named=0
for page in README.md docs/*.md; do
    for flag in $(flags <"$page"); do
        named=$((named + 1))
        [[ $all$others == *" $flag "* ]] || fault "$page: no verb has $flag"
    done
    # What follows `sporeprint VERB`, up to the end of the code, a comment or the cell.
    while read -r _ verb rest; do
        [ -n "${help[$verb]:-}" ] || continue
        for flag in $(flags <<<"$rest"); do
            [[ ${help[$verb]} == *" $flag "* ]] || fault "$page: \`sporeprint $verb\` has no $flag"
        done
    done < <(sed 's/cargo run --release -- /sporeprint /' "$page" | grep -oE 'sporeprint [a-z][a-z-]*[^`#|]*')
done

echo "documents: $links links, $named flags, ${#help[@]} verbs, $faults faults"
[ "$faults" -eq 0 ]
