"""An action of the Python framework that does what our `file` action does, for tests/kafka/framework."""

from datahub_actions.action.action import Action


class AppendEvents(Action):
    """Appends each event's JSON, as the framework writes it, to the file at `path`."""

    @classmethod
    def create(cls, config_dict, ctx):
        return cls(config_dict["path"])

    def __init__(self, path):
        self._file = open(path, "a", encoding="utf-8")

    def act(self, event):
        self._file.write(event.as_json() + "\n")
        # At once: the test reads the file while the framework runs.
        self._file.flush()

    def close(self):
        self._file.close()
