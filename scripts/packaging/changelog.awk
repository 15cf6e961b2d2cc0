# Debian's changelog made of CHANGELOG.md: an entry a version with its own date, sections in brackets, lines of at most 78
# columns. -v maintainer=… signs it.

function wrap(text, first, rest,    words, n, i, line) {
    n = split(text, words, " ")
    line = first
    for (i = 1; i <= n; i++) {
        if (i > 1 && length(line) + 1 + length(words[i]) > 78) {
            print line
            line = rest words[i]
        } else {
            line = line (i > 1 ? " " : "") words[i]
        }
    }
    print line
}

function end_item() {
    if (item != "") {
        wrap(item, "  * ", "    ")
    }
    item = ""
}

function end_version(    date, command) {
    end_item()
    if (version != "") {
        # Two versions of one day are in order, too.
        command = "LC_ALL=C date --utc --date='" day " 12:00 UTC " older++ " minutes ago' '+%a, %d %b %Y %H:%M:%S +0000'"
        command | getline date
        close(command)
        printf "\n -- %s  %s\n", maintainer, date
    }
    version = ""
}

/^## \[[0-9]/ {
    is_first = version == "" && !has_begun
    end_version()
    version = substr($2, 2, length($2) - 2)
    day = $4
    printf "%stailcast (%s) stable; urgency=medium\n\n", is_first ? "" : "\n", version
    has_begun = 1
    has_items = 0
    next
}

version == "" { next }

/^### / {
    end_item()
    printf "%s  [ %s ]\n", has_items ? "\n" : "", $2
    has_items = 1
    next
}

/^- / { end_item(); item = substr($0, 3); has_items = 1; next }
/^$/ { end_item(); next }
{ sub(/^ +/, ""); item = item (item == "" ? "" : " ") $0 }

END { end_version() }
