"""Options of the commands; their docstrings are the texts of ``--help``."""

from dataclasses import dataclass
from typing import Literal

from experiments.inputs.settings import FedSettings

__all__ = ["KeyOptions", "ServerOptions", "SiteOptions"]


@dataclass(frozen=True)
class ServerOptions(FedSettings):
    """Options of the server, with those of experiments.fed that it decides for all sites.

    Attributes:
      folder: Folder of the federation, for its state and tables; started again with it, the server goes on.
      certificates: Folder with server.pem and server.key (python -m deployment.keys --whose server).
      enrolled: Folder with the public key of each site, NAME.pub.
      host: Address to listen at; 0.0.0.0 for all of the machine's.
      port: Port to listen at.
      patience: Seconds to wait for sites, in a round and when they join.
      secure: Secure aggregation: of the sites' weights and metrics the server learns sums only (fedavg, fedprox and
        p-fedprox; three sites or more, each started with --peers).
      local: For a first look: also start so many sites on this machine, each with its share of the database.
    """

    algorithms: tuple[str, ...] = ("p-fedprox",)
    repeats: int = 1
    folder: str = "federation"
    certificates: str = "certificates"
    enrolled: str = "enrolled"
    host: str = "127.0.0.1"
    port: int = 9443
    patience: float = 3600.0
    secure: bool = False
    local: int | None = None


@dataclass(frozen=True)
class SiteOptions:
    """Options of a site.

    Attributes:
      server: Address of the server, host:port.
      authority: Certificate of the federation, ca.pem, from the server's owner.
      key: Private key of this site, site.key (python -m deployment.keys --whose site).
      folder: Folder for this site's memory; started again with it, the site goes on.
      database: This site's database, prepared by data.prepare, or module:function.
      config: Configuration of the database.
      manual_dir: Folder of this site's copy of the database, if it is not prepared yet.
      data_dir: Folder of prepared databases; by default that of tensorflow_datasets.
      au_init: Run folder of experiments.pretrain with the AU detector, the same at all sites.
      peers: Folder with the public keys of all sites, this one's too, as NAME.pub; with it the site takes part in
        secure aggregation only.
      share: Which part of the database is this site's, for a first look: 2/5 is the second of five.
    """

    server: str
    authority: str = "ca.pem"
    key: str = "site.key"
    folder: str = "site"
    database: str = "synthetic"
    config: str | None = None
    manual_dir: str | None = None
    data_dir: str | None = None
    au_init: str | None = None
    peers: str | None = None
    share: str = "1/1"


@dataclass(frozen=True)
class KeyOptions:
    """Options of deployment.keys.

    Attributes:
      whose: Make a server's certificate, or a site's key.
      folder: Where to write it.
      host: Name or address under which sites reach the server.
    """

    whose: Literal["server", "site"]
    folder: str = "."
    host: str = "127.0.0.1"
