"""The graph of the rules, made readable: from what `snakemake --rulegraph` prints to what `dot` draws.

An edge that follows from others is left out; what leads to the next iteration is dashed.
"""

import re
import sys

LOOP = "update_potential"  # ends an iteration
STYLE = """digraph rules {
    graph [bgcolor=white, margin=0.1, ranksep=0.35, nodesep=0.3]
    node [shape=box, style="rounded,filled", fillcolor="#eef3f8", color="#0072b2", fontname="sans-serif", fontsize=11]
    edge [color="#59636e", arrowsize=0.7]"""

text = sys.stdin.read()
names = dict(re.findall(r'(\d+)\[label = "([^"\\]+)', text))
edges = {(names[tail], names[head]) for tail, head in re.findall(r"(\d+) -> (\d+)", text)}
edges = {(tail, head) for tail, head in edges if tail != head}


def reached(start, edges):
    """The rules that need what a rule makes, directly or not."""
    found, pending = set(), [start]
    while pending:
        rule = pending.pop()
        new = {head for tail, head in edges if tail == rule} - found
        found |= new
        pending += new
    return found


forward = {(tail, head) for tail, head in edges if tail != LOOP or LOOP not in reached(head, edges)}
again = {head for _, head in edges - forward}
needed = [
    (tail, head) for tail, head in sorted(forward) if head not in reached(tail, forward - {(tail, head)})
]
first_again = [head for head in sorted(again) if not any(head in reached(other, forward) for other in again)]

print(STYLE)
for rule in sorted(names.values()):
    print(f"    {rule}")
for tail, head in needed:
    print(f"    {tail} -> {head}")
for head in first_again:
    print(f"    {LOOP} -> {head} [style=dashed, constraint=false]")
print("}")
