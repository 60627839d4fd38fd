"""The population: every object observed, entered into the ledger as a holder of its party."""

from collections.abc import Iterable

from kubemacpool.core.families import Families, OwnerReference
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey


class Population:
    """What exists, as far as addresses are concerned."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.families = Families()

    def see(self, holder: Holder, owner: OwnerReference | None, now: float, version: int) -> None:
        """An object exists and carries these addresses; whoever belongs to it is of its party from now on.

        Args:
            holder: the object; whose party it is of is found out here.
            owner: its controller, where it names one that matters.
            now: seconds on the monotonic clock.
            version: its resourceVersion.
        """
        key = holder.key
        relatives = self.families.see(key, holder.uid, owner)
        self.ledger.observe(holder._replace(party=self.families.party_of(key), owned=owner is not None), now, version)
        for relative in relatives:
            self.ledger.move(relative, self.families.party_of(relative))

    def gone(self, key: ObjectKey, now: float) -> bool:
        """An object is gone, or carries nothing any more; says whether it had an address."""
        self.families.gone(key)
        return self.ledger.vanish(key, now)

    def known(self, key: ObjectKey) -> tuple[int, ...]:
        """What an object carried when it was last observed."""
        return self.ledger.known(key)

    def withhold(self, key: ObjectKey, uid: str, before: Iterable[int], claimed: Iterable[int], now: float) -> None:
        """An object exists and cannot be taken in: nobody is given what it carries, as far as that is known."""
        self.ledger.withhold(key, uid, before, claimed, now)

    def begin_anew(self) -> None:
        """What is known may be wrong, and everything is about to be listed again."""
        self.families.forget()
        self.ledger.begin_anew()
