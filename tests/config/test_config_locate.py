"""Lines of keys in TOML texts of every shape."""

from __future__ import annotations

import tomllib

from danelaw.config.locate import key_lines, nearest_line

TEXT = '''\
# comment with [brackets] = and "quotes"
a = 1 # trailing
"b c" = """
multi ] } line
"""
d.e = [ 1, [2,
  3], { f = 4, "g" = "}" } ]
[t.u]   # table
v = 'x\\'
[[p]]
n = 1
[[p]]
n = 2
[[p.q]]
m = 1979-05-27 07:32:00
[[p.q]]
m = """""five"""""
[last]
z = \'\'\'
]\'\'\'
y = { "a.b" = [
  1 ] }
'''


def test_every_key_of_a_text_has_its_line() -> None:
    tomllib.loads(TEXT)
    lines = key_lines(TEXT)
    expected = {
        ("a",): 2,
        ("b c",): 3,
        ("d", "e"): 6,
        ("d", "e", 1): 6,
        ("d", "e", 1, 1): 7,
        ("d", "e", 2, "f"): 7,
        ("d", "e", 2, "g"): 7,
        ("t", "u"): 8,
        ("t", "u", "v"): 9,
        ("p",): 10,
        ("p", 0): 10,
        ("p", 0, "n"): 11,
        ("p", 1): 12,
        ("p", 1, "n"): 13,
        ("p", 1, "q", 0): 14,
        ("p", 1, "q", 0, "m"): 15,
        ("p", 1, "q", 1, "m"): 17,
        ("last",): 18,
        ("last", "z"): 19,
        ("last", "y", "a.b"): 21,
        ("last", "y", "a.b", 0): 22,
    }
    assert {path: lines.get(path) for path in expected} == expected


def test_an_unwritten_path_has_the_line_of_what_surrounds_it() -> None:
    lines = key_lines("[a]\nb = 1\n[[c]]\nd = 2\n")
    assert nearest_line(lines, ("a", "missing")) == 1
    assert nearest_line(lines, ("c", 0, "missing", "deep")) == 3
    assert nearest_line(lines, ("nowhere",)) == 0
