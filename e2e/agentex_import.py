"""Lets `agentex.lib.adk._modules._http_checkpointer` be imported from the released agentex-sdk, on Python 3.11 too.

scripts/python-env puts this file into `.venv`, where Python runs it at every start. The saver itself is used as
released. Two things stand in its way here: the package around it, `agentex.lib.adk`, imports Temporal, LiteLLM and
every other agent framework when it is imported, so its `__init__` is left out; and it takes `override`, a marker that
does nothing at run time, from `typing`, which has it only since 3.12.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder

PACKAGE = "agentex.lib.adk"


class AgentexFinder:
    """Finds `agentex.lib.adk` as a package without an `__init__`."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Answers for that one name; every other import takes its usual way."""
        if name != PACKAGE:
            return None
        found = PathFinder.find_spec(name, path)
        if found is None:
            return None
        add_override_to_typing()
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = found.submodule_search_locations
        return spec


def add_override_to_typing():
    """Gives `typing` of Python 3.11 the `override` of 3.12."""
    import typing

    if not hasattr(typing, "override"):
        from typing_extensions import override

        typing.override = override


sys.meta_path.insert(0, AgentexFinder)
