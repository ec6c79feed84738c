"""A LangGraph thread that is handed from one checkpoint saver to another, over and over, and must not notice."""

import uuid

import graphs


class Relay:
    """One thread and the savers that take turns at it. All of them must see the same after each turn."""

    def __init__(self, *savers):
        self.savers = savers
        self.thread_id = f"relay-{uuid.uuid4().hex}"
        self.config = {"configurable": {"thread_id": self.thread_id}}
        self.states = []
        self._turn = -1

    @property
    def saver(self):
        return self.savers[self._turn % len(self.savers)]

    def compile(self, builder):
        """The graph, on the saver whose turn it is now."""
        self._turn += 1
        return builder.compile(checkpointer=self.saver)

    async def look(self, builder, config=None, **options):
        """Takes down the state that every saver gives, which must be one, and gives it as the current one has it."""
        seen = []
        for saver in self.savers:
            graph = builder.compile(checkpointer=saver)
            snapshot = await graph.aget_state(config or self.config, **options)
            seen.append(graphs.summary(snapshot))
            assert seen[-1] == seen[0], f"{type(saver).__name__} and {type(self.savers[0]).__name__} differ"
        self.states.append(seen[0])
        return await builder.compile(checkpointer=self.saver).aget_state(config or self.config, **options)

    async def history(self, builder):
        """The configs of all states, newest first, as every saver lists them; each state is looked at."""
        listed = []
        for saver in self.savers:
            graph = builder.compile(checkpointer=saver)
            listed.append([state.config async for state in graph.aget_state_history(self.config)])
            assert [checkpoint_id(config) for config in listed[-1]] == [checkpoint_id(config) for config in listed[0]]
        for config in listed[0]:
            await self.look(builder, config)
        return listed[0]


def checkpoint_id(config):
    return config["configurable"]["checkpoint_id"]
