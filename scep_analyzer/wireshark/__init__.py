"""SCEP in Wireshark: the Lua plugin and where it belongs, the profile, and the overlay with our findings."""


def doctor_line() -> tuple[str, str]:
    """What ``doctor`` says of the plugin: its name for the first column, and a sentence."""
    from scep_analyzer.model.anomalies import AnalyzerError
    from scep_analyzer.wireshark import folders, plugin

    name = "Wireshark"
    if folders.tshark_path() is None:
        return name, "no tshark, so the plugin for scep.* fields cannot be installed"
    try:
        found = folders.find()
    except AnalyzerError as error:
        return name, str(error)
    file = plugin.plugin_file(found)
    if file.state is plugin.State.CURRENT:
        return name, f"plugin for scep.* fields installed ({file.path})"
    if file.state is plugin.State.ABSENT:
        return name, "plugin for scep.* fields not installed; `scep-analyzer wireshark install` adds it"
    return name, f"{file.path} is {file.state.value}; `scep-analyzer wireshark install` replaces it"
