# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a service in a shared database: its tables, and all that they can't do without.

A copy by table names restores without an error and fails in use: sequences that no column owns, trigger functions,
enums and views stay behind. So the selection follows pg_depend in both directions, reads function bodies and defaults
for names (pg_depend doesn't know those), and takes everything of a schema or of an owner that holds nothing else.
What can't be decided that way is asked for, never guessed.
"""

import fnmatch
import re
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterable, List, Mapping, Sequence, Set, Tuple

from .._core.errors import InputError
from .._core.text import nearest
from .catalogue import Catalogue, Node, Thing

# What a database keeps about replication is no part of a table's content; a dump of it wouldn't load elsewhere.
_NEVER = frozenset(("pg_publication_rel", "pg_publication_namespace", "pg_subscription_rel", "pg_publication"))
# Parts that are reached through their relation only.
_OF_RELATION = frozenset(("pg_attrdef", "pg_constraint", "pg_trigger", "pg_rewrite", "pg_policy", "pg_statistic_ext"))
_CODE = frozenset(("pg_proc", "pg_attrdef"))
_WORD = re.compile(r'"(?:[^"]|"")+"|[^\W\d][\w$]*')
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Chosen:
    """What the description says of the service's objects.

    Arguments:
        tables: patterns of a schema, a dot, and a name in which a star stands for anything.
        schemas: schemas of which everything is meant.
        owner: the role whose objects are meant.
        include, exclude: objects by their label (``function public.touch()``), or by its identity alone.
        archive: the schema that takes them in the end; what lies there is theirs no more.
    """

    tables: Tuple[str, ...] = ()
    schemas: Tuple[str, ...] = ()
    owner: str = ""
    include: Tuple[str, ...] = ()
    exclude: Tuple[str, ...] = ()
    archive: str = ""

    def describe(self) -> str:
        """Return it as a person would say it."""
        parts = list(self.tables) + ["schema %s" % name for name in self.schemas]
        if self.owner:
            parts.append("objects of role %s" % self.owner)
        return ", ".join(parts)


@dataclass(frozen=True)
class Selection:
    """What belongs to the service.

    Arguments:
        things: the objects, parts of tables included.
        extensions: the extensions that they need, with the schema in which each lies.
        questions: what must be decided before anything is moved.
        notes: what is worth knowing.
        whole_schemas: schemas in which nothing else lies.
        shared: objects that something which stays needs as well: they are copied, and stay.
        nodes: the identifiers of the objects, and of those that have no name of their own (array types).
        owned_sequences: those that belong to a column, and go where its table goes.
    """

    things: Mapping[Node, Thing] = field(default_factory=dict)
    extensions: Mapping[str, str] = field(default_factory=dict)
    questions: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()
    whole_schemas: Tuple[str, ...] = ()
    shared: FrozenSet[Node] = frozenset()
    nodes: FrozenSet[Node] = frozenset()
    owned_sequences: FrozenSet[Node] = frozenset()

    @property
    def tables(self) -> List[Thing]:
        """Return the tables, by schema and name."""
        return self._sorted(thing for thing in self.things.values() if thing.is_table)

    @property
    def sequences(self) -> List[Thing]:
        """Return the sequences, by schema and name."""
        return self._sorted(thing for thing in self.things.values() if thing.is_sequence)

    def own(self, catalogue: str = "") -> List[Thing]:
        """Return what lies beside the tables, of one catalogue or of all: what is elsewhere is only borrowed."""
        schemas = {thing.schema for thing in self.things.values() if thing.is_table}
        return self._sorted(
            thing for thing in self.things.values() if thing.schema in schemas and catalogue in ("", thing.node[0])
        )

    @staticmethod
    def _sorted(things: Iterable[Thing]) -> List[Thing]:
        return sorted(things, key=lambda thing: (thing.schema, thing.name, thing.label))


def select(catalogue: Catalogue, chosen: Chosen) -> Selection:
    """Return what belongs to the service that the description chose.

    Raises:
        InputError: include or exclude names an object that isn't there.
    """
    return _Selector(catalogue, chosen).run()


class _Selector:
    def __init__(self, catalogue: Catalogue, chosen: Chosen) -> None:
        self.catalogue = catalogue
        self.chosen = chosen
        self.selected: Set[Node] = set()
        self.extensions: Set[str] = set()
        self.questions: Dict[str, None] = {}
        self.notes: Dict[str, None] = {}
        labels = {thing.label: node for node, thing in catalogue.things.items()}
        self.excluded = self._named(chosen.exclude, "exclude", labels)
        self.included = self._named(chosen.include, "include", labels)
        self.by_name: Dict[str, List[Thing]] = {}
        for thing in catalogue.things.values():
            if thing.node[0] == "pg_proc" or (thing.node[0] == "pg_type" and thing.kind in "edrm"):
                self.by_name.setdefault(thing.name, []).append(thing)
            elif thing.is_relation or thing.is_sequence:
                self.by_name.setdefault(thing.name, []).append(thing)
        self.words = {thing.node: _words(thing.body) for thing in catalogue.things.values() if thing.node[0] in _CODE}
        self.mentioners: Dict[str, List[Thing]] = {}
        for node, words in self.words.items():
            for word in words:
                self.mentioners.setdefault(word, []).append(catalogue.things[node])

    def _named(self, names: Sequence[str], option: str, labels: Mapping[str, Node]) -> Set[Node]:
        found = set()
        for name in names:
            node = labels.get(name)
            if node is None:
                same = [label for label in labels if label.endswith(" " + name)]
                if len(same) != 1:
                    near = nearest(name, list(labels))
                    raise InputError(
                        "%s names %r, but %s." % (option, name, "several are called so" if same else "there is none"),
                        "Did you mean %s?" % (" or ".join(sorted(same)) or near) if same or near else None,
                    )
                node = labels[same[0]]
            found.add(node)
        return found

    def run(self) -> Selection:
        for thing in self.catalogue.things.values():
            if self._is_seed(thing):
                self._add(thing.node)
        for node in self.included:
            self._add(node)
        before = -1
        while before != len(self.selected):
            before = len(self.selected)
            self._take_whole_schemas()
            self._take_whole_owners()
            self._take_mentioned()
            self._take_what_reads_only_ours()
        self._ask()
        things = {node: self.catalogue.things[node] for node in self.selected if node in self.catalogue.things}
        return Selection(
            things,
            {name: self.catalogue.extensions[name] for name in sorted(self.extensions)},
            tuple(self.questions),
            tuple(self.notes),
            tuple(self._whole_schemas()),
            frozenset(node for node in self.selected if self._is_shared(node)),
            frozenset(self.selected),
            frozenset(self._owned_sequences(things.values())),
        )

    def _owned_sequences(self, things: Iterable[Thing]) -> List[Node]:
        return [
            part
            for thing in things
            if thing.is_table
            for part in self.catalogue.parts.get(thing.node, ())
            if part in self.catalogue.things and self.catalogue.things[part].is_sequence
        ]

    # What is meant in the first place.

    def _is_seed(self, thing: Thing) -> bool:
        if thing.node[0] in _OF_RELATION or (thing.node[0] == "pg_class" and thing.kind in "iI"):
            return False
        if self.chosen.archive and thing.schema == self.chosen.archive:
            return False
        if thing.node[0] == "pg_namespace":
            return thing.name in self.chosen.schemas or (thing.owner == self.chosen.owner and bool(thing.owner))
        if thing.schema in self.chosen.schemas:
            return True
        if self.chosen.owner and thing.owner == self.chosen.owner and thing.node[0] != "pg_event_trigger":
            return True
        return self._matches(thing)

    def _matches(self, thing: Thing) -> bool:
        return any(fnmatch.fnmatchcase("%s.%s" % (thing.schema, thing.name), item) for item in self.chosen.tables)

    # Following pg_depend.

    def _add(self, node: Node) -> None:
        waiting = [node]
        while waiting:
            node = waiting.pop()
            if node in self.selected or node in self.excluded or node[0] in _NEVER:
                continue
            if node in self.catalogue.extension_of:
                self.extensions.add(self.catalogue.extension_of[node])
                continue
            if node[0] == "pg_extension":
                continue
            self.selected.add(node)
            # A view is a part of nothing, and a table only of one that it is a partition of.
            for part in self.catalogue.parts.get(node, ()):
                if self._is_table(node) or not self._is_relation(part):
                    waiting.append(part)
            for needed in self.catalogue.needs.get(node, ()):
                if needed not in self.selected and self._is_free(needed):
                    waiting.append(needed)
            thing = self.catalogue.things.get(node)
            if thing is not None and thing.node[0] in _CODE:
                self._take_extensions_called(thing)

    def _is_relation(self, node: Node) -> bool:
        thing = self.catalogue.things.get(node)
        return thing is not None and thing.is_relation

    def _is_table(self, node: Node) -> bool:
        thing = self.catalogue.things.get(node)
        return thing is not None and thing.is_table

    def _is_free(self, node: Node) -> bool:
        """Whether something that is needed may simply be taken along: tables and their parts may not."""
        thing = self.catalogue.things.get(node)
        if thing is None:
            # An array type, an index of a toast table, a member of an extension: it has no name of its own.
            return node in self.catalogue.extension_of
        if thing.is_relation or (thing.node[0] == "pg_class" and thing.kind in "iI") or thing.node[0] in _OF_RELATION:
            return False
        relation = self.catalogue.relation(thing)
        return relation is None or not relation.is_relation

    # Names in code.

    def _mentioned(self, thing: Thing) -> List[Thing]:
        return [other for word in self.words[thing.node] for other in self.by_name.get(word, ()) if other is not thing]

    def _take_mentioned(self) -> None:
        for node in list(self.selected):
            thing = self.catalogue.things.get(node)
            if thing is None or thing.node[0] not in _CODE:
                continue
            for other in self._mentioned(thing):
                if other.is_relation:
                    continue
                if self._calls(thing, other):
                    self._add(other.node)

    @staticmethod
    def _calls(thing: Thing, other: Thing) -> bool:
        """Whether code that mentions a name means the object: a function is called, a sequence and a type are named."""
        if other.node[0] != "pg_proc":
            return True
        return re.search(r'(?<![\w$])"?%s"?\s*\(' % re.escape(other.name), thing.body, re.IGNORECASE) is not None

    def _take_extensions_called(self, thing: Thing) -> None:
        for word in self.words[thing.node]:
            if word in self.catalogue.extension_functions:
                self.extensions.add(self.catalogue.extension_functions[word])

    # Whole schemas, whole owners.

    def _whole_schemas(self) -> List[str]:
        schemas = sorted({thing.schema for thing in self._selected_relations()})
        return [
            name
            for name in schemas
            if all(
                thing.node in self.selected or thing.node in self.excluded
                for thing in self.catalogue.of_schema(name)
                if thing.is_relation
            )
        ]

    def _selected_relations(self) -> List[Thing]:
        return [thing for thing in self.catalogue.things.values() if thing.is_relation and thing.node in self.selected]

    def _take_whole_schemas(self) -> None:
        owners = {thing.owner for thing in self._selected_relations()}
        for name in self._whole_schemas():
            for thing in self.catalogue.of_schema(name):
                if thing.node[0] not in _OF_RELATION and thing.owner in owners and not self._is_of_events(thing):
                    self._add(thing.node)

    def _is_of_events(self, thing: Thing) -> bool:
        """Whether it is the function of an event trigger: that is the whole database's."""
        return any(node[0] == "pg_event_trigger" for node in self.catalogue.needed_by.get(thing.node, ()))

    def _take_whole_owners(self) -> None:
        for owner in {thing.owner for thing in self._selected_relations()} - self.catalogue.common_owners:
            owned = [thing for thing in self.catalogue.things.values() if thing.owner == owner]
            if all(thing.node in self.selected for thing in owned if thing.is_table):
                for thing in owned:
                    if thing.node[0] not in _OF_RELATION and thing.node[0] != "pg_event_trigger":
                        self._add(thing.node)

    # What isn't needed by ours but reads nothing else.

    def _reads(self, thing: Thing) -> Tuple[Set[Node], Set[Node]]:
        """Return the relations of ours and of others that a view or a function reads."""
        ours: Set[Node] = set()
        others: Set[Node] = set()
        for node in self._relations_needed(thing) | self._relations_mentioned(thing):
            (ours if node in self.selected else others).add(node)
        return ours, others

    def _relations_needed(self, thing: Thing) -> Set[Node]:
        # A view reads by its rule, which is a part of it.
        rules = {part for part in self.catalogue.parts.get(thing.node, ()) if part[0] == "pg_rewrite"}
        nodes = {thing.node} | rules
        found = set()
        for node in nodes:
            for needed in self.catalogue.needs.get(node, ()):
                other = self.catalogue.things.get(needed)
                if other is None:
                    continue
                relation = other if other.is_relation else self.catalogue.relation(other)
                if relation is not None and relation.is_relation and relation.node != thing.node:
                    found.add(relation.node)
        return found

    def _relations_mentioned(self, thing: Thing) -> Set[Node]:
        if thing.node[0] != "pg_proc":
            return set()
        return {other.node for other in self._mentioned(thing) if other.is_relation and self._names(thing, other)}

    @staticmethod
    def _names(thing: Thing, other: Thing) -> bool:
        """Whether a function's body names a relation, and doesn't only use its name as a word."""
        pattern = r'(?:\b(?:from|join|into|update|table|on|only|truncate|%s)\b\s*\(?\s*|%s"?\s*\.\s*"?|,\s*)"?%s\b' % (
            "setof", re.escape(other.schema), re.escape(other.name),
        )  # fmt: skip
        return re.search(pattern, thing.body, re.IGNORECASE) is not None

    def _take_what_reads_only_ours(self) -> None:
        for thing in self.catalogue.things.values():
            if thing.node in self.selected or thing.node in self.excluded:
                continue
            if thing.node[0] == "pg_proc" or (thing.is_relation and not thing.is_table and thing.kind != "f"):
                ours, others = self._reads(thing)
                if ours and not others:
                    self._add(thing.node)
            elif thing.is_sequence and self._named_after_ours(thing):
                self._add(thing.node)
            elif thing.node[0] == "pg_cast":
                needed = self.catalogue.needs.get(thing.node, frozenset())
                if needed and all(node in self.selected for node in needed):
                    self._add(thing.node)

    def _named_after_ours(self, sequence: Thing) -> bool:
        """Whether a sequence that no column owns bears a table of ours in its name, and none of the others' better."""
        if self._used_by_others(sequence):
            return False
        best = ""
        ours = False
        for thing in self.catalogue.of_schema(sequence.schema):
            if thing.is_table and len(thing.name) > len(best) and sequence.name.startswith(thing.name + "_"):
                best, ours = thing.name, thing.node in self.selected
        return ours

    def _used_by_others(self, thing: Thing) -> bool:
        """Whether something that stays needs it, by pg_depend or by name."""
        return bool(self._users(thing))

    def _users(self, thing: Thing) -> List[Thing]:
        found = []
        for node in self.catalogue.needed_by.get(thing.node, ()):
            if node in self.selected:
                continue
            user = self.catalogue.things.get(node)
            if user is None:
                continue
            relation = self.catalogue.relation(user)
            if relation is not None and relation.node in self.selected:
                continue
            found.append(relation or user)
        if thing.is_sequence or thing.node[0] == "pg_proc":
            for other in self.mentioners.get(thing.name, ()):
                if other.node not in self.selected and other.node != thing.node:
                    found.append(self.catalogue.relation(other) or other)
        return found

    def _is_shared(self, node: Node) -> bool:
        thing = self.catalogue.things.get(node)
        if thing is None or thing.is_relation or thing.node[0] in _OF_RELATION:
            return False
        if thing.node[0] == "pg_class" and thing.kind in "iI":
            return False
        return self._used_by_others(thing)

    # What can't be decided.

    def _question(self, text: str) -> None:
        self.questions[text] = None

    def _ask(self) -> None:
        for node in sorted(self.selected):
            thing = self.catalogue.things.get(node)
            if thing is None:
                continue
            self._ask_what_it_needs(thing)
            if thing.is_relation and thing.kind == "f":
                self._question("%s reads another server: name it under exclude" % thing.label)
        for thing in self.catalogue.things.values():
            if thing.node not in self.selected and thing.node not in self.excluded:
                self._ask_what_stays(thing)

    def _ask_what_it_needs(self, thing: Thing) -> None:
        for needed in sorted(self.catalogue.needs.get(thing.node, ())):
            other = self.catalogue.things.get(needed)
            if other is None or needed in self.selected:
                continue
            relation = other if other.is_relation else self.catalogue.relation(other)
            if relation is None or relation.node in self.selected or not relation.is_relation:
                if needed in self.excluded:
                    self._question("%s needs %s, which is excluded" % (thing.label, other.label))
                continue
            self._question(
                "%s needs %s, which stays: include that, or exclude %s"
                % (thing.label, relation.label, _identity(thing))
            )
        if thing.node[0] == "pg_proc":
            for node in sorted(self._relations_mentioned(thing)):
                if node not in self.selected:
                    self.notes["%s mentions %s, which stays" % (thing.label, self.catalogue.things[node].label)] = None

    def _ask_what_stays(self, thing: Thing) -> None:
        if thing.node[0] == "pg_constraint" and thing.kind == "f":
            relation = self.catalogue.relation(thing)
            if relation is not None and relation.node not in self.selected:
                for needed in self.catalogue.needs.get(thing.node, ()):
                    if needed in self.selected and self._is_table(needed):
                        self._question(
                            "%s, which stays, refers to %s: include %s, or exclude %s"
                            % (relation.label, self.catalogue.things[needed].label, relation.label, _identity(thing))
                        )
        elif thing.is_relation or thing.node[0] == "pg_proc":
            ours, others = self._reads(thing)
            if ours and others and thing.node[0] == "pg_proc":
                self._question(
                    "%s uses both %s and %s: include or exclude it"
                    % (thing.label, self._labels(ours), self._labels(others))
                )
            elif ours and not thing.is_table:
                self._question("%s, which stays, reads %s: include or exclude it" % (thing.label, self._labels(ours)))
            elif ours and thing.is_table:
                self._question(
                    "%s, which stays, inherits from %s: include or exclude it" % (thing.label, self._labels(ours))
                )
        elif thing.is_sequence and not self._users(thing) and not self.catalogue.needs.get(thing.node):
            self._ask_of_sequence(thing)

    def _ask_of_sequence(self, thing: Thing) -> None:
        """A sequence that nothing names may be a program's own, which calls it from its code."""
        owners = {item.owner for item in self._selected_relations()}
        schemas = {item.schema for item in self._selected_relations()}
        if thing.schema not in schemas or thing.owner not in owners:
            return
        named = [
            item
            for item in self.catalogue.of_schema(thing.schema)
            if item.is_table and thing.name.startswith(item.name + "_")
        ]
        if not named:
            self._question("%s is used by nothing that the database knows of: include or exclude it" % thing.label)

    def _labels(self, nodes: Iterable[Node]) -> str:
        labels = sorted(self.catalogue.things[node].label for node in nodes)
        return ", ".join(labels[:3]) + (" and %d more" % (len(labels) - 3) if len(labels) > 3 else "")


def _words(text: str) -> FrozenSet[str]:
    """Return the names that code holds, as they are written and as PostgreSQL folds them."""
    found = {
        word[1:-1].replace('""', '"') if word[0] == '"' else word for word in _WORD.findall(_COMMENT.sub(" ", text))
    }
    return frozenset(found | {word.lower() for word in found})


def _identity(thing: Thing) -> str:
    return "`%s`" % thing.label
