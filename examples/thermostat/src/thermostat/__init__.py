"""Read and, when allowed, steer a laboratory thermostat.

Stable: `thermostat.driver.Thermostat`, `thermostat.client.create_client` and
`thermostat.config.load_settings`. Provisional: `thermostat.trajectory`.
Everything else may change in any release.
"""

from thermostat.version import __version__

__all__ = ["__version__"]
