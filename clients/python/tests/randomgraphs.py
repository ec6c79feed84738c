"""Random graphs and random sessions with them, the same for the same seed."""

import operator
import random
from typing import Annotated, Any

from graphs import summary
from langgraph.channels.named_barrier_value import NamedBarrierValue
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt
from typing_extensions import TypedDict

try:
    from langgraph.channels import DeltaChannel
except ImportError:  # An edition of LangGraph that has none.
    DeltaChannel = None

# LangGraph hands the set of a join to a background put, and adds to it meanwhile (durability "async"): what is stored
# depends on how soon the saver reads it, with InMemorySaver too. Savers are compared here: each gets a set of its own.
NamedBarrierValue.checkpoint = lambda channel: set(channel.seen)
SCALARS = {
    "text": ["", "plain", "žluťoučký 🐴", "x" * 300, 'quote " and \\'],
    "ratio": [0.0, 0.5, -1.25, 100.0, 1e-3],
    "flag": [True, False, None],
    "data": [{}, {"a": [1, {"b": None}]}, {"k": (1, 2), "s": "t"}, [1, 2.5, "three"]],
}
# What the released agentex saver changes or refuses: it writes whatever is a str or a float into JSON.
EXACT = {"text": ["nul \0 inside"], "ratio": [1e16, 1e300, -0.0, float("inf")], "data": [{1, 2}, b"\x00\xff"]}
ROUNDS = 2
ACTIONS = 9
DURABILITY = ["sync", "async", "exit"]


class PlainState(TypedDict, total=False):
    """What the nodes of a random graph share: channels of both kinds, with and without a reducer."""

    count: Annotated[int, operator.add]
    items: Annotated[list[str], operator.add]
    text: str
    ratio: float
    flag: Any
    data: Any
    child_log: list[str]


def joined(value, writes):
    """A reducer that takes all writes at once."""
    return [*(value or []), *(word for write in writes for word in write)]


def words(frequency):
    """A channel that keeps its writes, and its whole value only now and then; a common one where there is none."""
    return DeltaChannel(joined, list, snapshot_frequency=frequency) if DeltaChannel else operator.add


class State(PlainState, total=False):
    """The same with channels that keep their writes."""

    words: Annotated[list[str], words(3)]
    rare_words: Annotated[list[str], words(50)]


class Child(TypedDict, total=False):
    """What a subgraph knows."""

    text: str
    child_log: list[str]


class FirstRunError(Exception):
    """What a node raises on its first run."""


class RandomGraph:
    """Layers of nodes, gone through again until they were gone through often enough."""

    def __init__(self, seed, exact=True):
        self.random = random.Random(seed)
        self.exact = exact
        self.has_child = False
        self.builder = StateGraph(State if exact else PlainState)
        self._add_layers()

    def _add_layers(self):
        kinds = ["write", "write", "ask", "ask twice", "fan out", "parallel", "parallel", "jump", "child", "flaky"]
        kinds.append("retried")
        # The released agentex saver knows nothing of channels that keep their writes.
        kinds += ["say", "say"] if self.exact else []
        heads, first = [START], None
        for layer in range(self.random.randint(2, 4)):
            heads = self._add_layer(f"n{layer}", self.random.choice(kinds), heads)
            first = first or f"n{layer}"
        self.builder.add_node("last", lambda state: {"items": [f"last at {state['count']}"], "count": 1})
        self._join(heads, "last")
        limit = ROUNDS * self.random.randint(2, 5)
        self.builder.add_conditional_edges("last", lambda state: first if state["count"] < limit else END, [first, END])

    def _add_layer(self, name, kind, heads):
        """Adds the nodes of one layer after the nodes of the one before; gives those the next one follows."""
        add = self.builder.add_node
        if kind == "parallel":
            # The first of them only starts the others: one node leads back to a layer.
            names = [f"{name}-{letter}" for letter in "abc"[: self.random.randint(2, 3)]]
            add(name, lambda state: {"items": [name]})
            self._join(heads, name)
            for one in names:
                add(one, asking(one, 1) if self.random.random() < 0.4 else counting(one))
                self.builder.add_edge(name, one)
            return names
        if kind == "fan out":
            number, asks = self.random.randint(1, 4), self.random.random() < 0.5
            add(name, lambda state: {"items": [name]})
            add(f"{name}-work", working(f"{name}-work", asks))
            self._join(heads, name)
            sends = [Send(f"{name}-work", {"number": one}) for one in range(number)]
            self.builder.add_conditional_edges(name, lambda state: sends, [f"{name}-work"])
            return [f"{name}-work"]
        if kind == "jump":
            add(name, jumping(name, f"{name}-there"))
            add(f"{name}-there", self._writing(f"{name}-there"))
            self._join(heads, name)
            return [f"{name}-there"]
        if kind == "retried":
            quick = RetryPolicy(initial_interval=0.01, jitter=False, max_attempts=2, retry_on=FirstRunError)
            add(name, flaky(name), retry_policy=quick)
            self._join(heads, name)
            return [name]
        node = {
            "say": lambda: saying(name),
            "write": lambda: self._writing(name),
            "ask": lambda: asking(name, 1),
            "ask twice": lambda: asking(name, 2),
            "flaky": lambda: flaky(name),
            "child": lambda: self._child(name),
        }[kind]()
        add(name, node)
        self._join(heads, name)
        return [name]

    def _join(self, heads, name):
        for head in heads if heads == [START] or len(heads) == 1 else [heads]:
            self.builder.add_edge(head, name)

    def _writing(self, name):
        """A node that sets some of the channels without a reducer."""
        chosen = {}
        for channel, values in SCALARS.items():
            if self.random.random() < 0.6:
                chosen[channel] = self.random.choice([*values, *(EXACT.get(channel, []) if self.exact else [])])

        def write(state):
            return {**chosen, "count": 1, "items": [f"{name} at {state['count']}"]}

        return write

    def _child(self, name):
        """A subgraph of two nodes, with a memory of its own or without."""
        self.has_child = True
        asks = self.random.random() < 0.5

        def first(state):
            return {"child_log": [*state.get("child_log", []), f"{name} first"][-4:]}

        def second(state):
            answer = interrupt({"asks": name}) if asks else "nothing"
            return {"child_log": [*state["child_log"], f"{name} heard {answer}"][-4:]}

        graph = StateGraph(Child)
        graph.add_node("first", first)
        graph.add_node("second", second)
        graph.add_edge(START, "first")
        graph.add_edge("first", "second")
        return graph.compile(checkpointer=True if self.random.random() < 0.3 else None)


def counting(name):
    """A node that only counts."""
    return lambda state: {"count": 1, "items": [f"{name} at {state['count']}"]}


def saying(name):
    """A node that adds to the channels that keep their writes."""

    def say(state):
        word = f"{name} at {state['count']}"
        return {"count": 1, "words": [word, word.upper()], "rare_words": [word]}

    return say


def asking(name, questions):
    """A node that waits for answers."""

    def ask(state):
        answers = [interrupt({"asks": name, "question": number}) for number in range(questions)]
        return {"count": 1, "items": [f"{name} heard {answers}"]}

    return ask


def working(name, asks):
    """A node that gets a packet instead of the state."""

    def work(packet):
        number = packet["number"]
        answer = interrupt({"asks": name, "number": number}) if asks and number == 1 else "nothing"
        return {"items": [f"{name} {number} heard {answer}"], "count": 1 if number == 0 else 0}

    return work


def jumping(name, target):
    """A node that says itself where to go."""
    return lambda state: Command(update={"count": 1, "items": [name]}, goto=target)


def flaky(name):
    """A node that fails on its first run of all."""
    runs = []

    def fail_once(state):
        runs.append(name)
        if len(runs) == 1:
            raise FirstRunError(name)
        return {"count": 1, "items": [f"{name} after all"]}

    return fail_once


class Session:
    """One random session with one random graph on one saver. What is seen goes into `seen`, in order.

    `call(name, ...)` calls that method of the graph and gives its result; `history()` gives all states, newest first.
    """

    def __init__(self, seed, graph, call, thread_id, time_travel=True):
        self.random = random.Random(f"session {seed}")
        self.config = {"configurable": {"thread_id": thread_id}}
        self.seen = []
        self._call = call
        self._subgraphs = graph.has_child
        self._time_travel = time_travel

    def run(self):
        """Runs the whole session and gives what was seen."""
        self._invoke({"count": 0, "items": ["start"], "text": "start"}, self.config)
        for _ in range(ACTIONS):
            # Drawn before looking, so that the sequence does not depend on what is found.
            dice, place, word = self.random.random(), self.random.random(), f"answer {self.random.randrange(100)}"
            self._act(dice, place, word)
        return self.seen

    def _act(self, dice, place, word):
        state = self._look(self.config)
        if state.interrupts and dice < 0.7:
            answers = {one.id: f"{word} to {one.value}" for one in state.interrupts}
            only = next(iter(answers.values()))
            self._invoke(Command(resume=answers if len(answers) > 1 else only), self.config)
        elif state.next and dice < 0.8:
            self._invoke(None, self.config)
        elif dice < 0.6 or not self._time_travel:
            self._invoke({"items": [word]}, self.config)
        else:
            self._travel(dice, place, word)

    def _travel(self, dice, place, word):
        """Goes on from an older state: changed, answered or as it was."""
        states = self._history()
        chosen = states[int(place * len(states))]
        if dice < 0.75:
            config = self._attempt("update_state", chosen.config, {"items": [word], "text": word})
            if config is not None:
                self._look(config)
                self._invoke(None, config)
        elif dice < 0.85 and chosen.interrupts and len(chosen.interrupts) == 1:
            self._invoke(Command(resume=word), chosen.config)
        else:
            self._invoke(None, chosen.config)

    def _invoke(self, given, config):
        durability = self.random.choice(DURABILITY)
        result = self._attempt("invoke", given, config, durability=durability)
        if isinstance(result, dict):
            # Tasks side by side ask in the order in which they come to it.
            asked = sorted((one.value for one in result.pop("__interrupt__", [])), key=repr)
            self.seen.append(("result", durability, result, asked))
        self._look(self.config)

    def _attempt(self, name, *arguments, **options):
        try:
            return self._call(name, *arguments, **options)
        except Exception as error:  # Whatever it is, both savers must raise it.
            self.seen.append(("raised", name, type(error).__name__))
            return None

    def _look(self, config):
        state = self._call("get_state", config, subgraphs=self._subgraphs)
        self.seen.append(("state", summary(state)))
        return state

    def _history(self):
        states = self._call("get_state_history", self.config)
        self.seen.append(("history", [summary(state) for state in states]))
        return states
