from __future__ import annotations

import pytest
from mt_paas.errors import AddressNotAllowed, ConfigurationError
from mt_paas.standard_api import AddressPolicy


def resolving_to(*addresses: str):
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"]
NOT_PUBLIC = {
    "loopback": "127.0.0.1",
    "another loopback": "127.8.9.10",
    "any address": "0.0.0.0",  # noqa: S104 - an address that must be refused
    "this network": "0.1.2.3",
    "a private network": "10.1.2.3",
    "another private network": "172.16.0.1",
    "a third private network": "192.168.1.1",
    "carrier-grade NAT": "100.64.0.1",
    "link-local": "169.254.1.1",
    "a cloud's metadata": "169.254.169.254",
    "multicast": "224.0.0.1",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
    "documentation": "192.0.2.1",
    "benchmarking": "198.18.0.1",
    "IPv6 loopback": "::1",
    "IPv6 any address": "::",
    "IPv6 link-local": "fe80::1",
    "IPv6 link-local with its zone": "fe80::1%lo",
    "IPv6 unique local": "fd00::1",
    "IPv6 site-local": "fec0::1",
    "IPv6 multicast": "ff02::1",
    "IPv6 documentation": "2001:db8::1",
    "IPv6 outside of what was given out": "4000::1",
    "a cloud's metadata, IPv6": "fd00:ec2::254",
    "IPv4-mapped": "::ffff:127.0.0.1",
    "IPv4-mapped, written in hexadecimal": "::ffff:a9fe:a9fe",
    "IPv4-compatible": "::7f00:1",
    "NAT64": "64:ff9b::10.0.0.1",
    "NAT64, local use": "64:ff9b:1::1.1.1.1",
    "6to4": "2002:7f00:1::1",
    "6to4 of a private network": "2002:c0a8:101::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "ISATAP": "2606:4700::5efe:a00:1",
}


class TestByDefault:
    @pytest.mark.parametrize("address", PUBLIC)
    async def test_public_addresses_may_be_called(self, address):
        policy = AddressPolicy(resolver=resolving_to(address))
        assert len(await policy.addresses("service.example", 443)) == 1

    @pytest.mark.parametrize("address", NOT_PUBLIC.values(), ids=NOT_PUBLIC.keys())
    async def test_others_may_not_whatever_name_leads_there(self, address):
        with pytest.raises(AddressNotAllowed, match=r"service\.example \(.+\) is not a public address"):
            await AddressPolicy(resolver=resolving_to(address)).addresses("service.example", 443)

    @pytest.mark.parametrize("address", NOT_PUBLIC.values(), ids=NOT_PUBLIC.keys())
    async def test_others_may_not_by_number(self, address):
        with pytest.raises(AddressNotAllowed):
            await AddressPolicy().addresses(address, 443)

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"])
    async def test_loopback_is_known_however_it_is_written(self, host):
        with pytest.raises(AddressNotAllowed):
            await AddressPolicy().addresses(host, 80)

    async def test_one_private_address_among_public_ones_spoils_the_host(self):
        policy = AddressPolicy(resolver=resolving_to("1.1.1.1", "10.0.0.1"))
        with pytest.raises(AddressNotAllowed, match=r"10\.0\.0\.1"):
            await policy.addresses("service.example", 443)

    async def test_a_host_without_an_address_can_not_be_called(self):
        with pytest.raises(OSError, match="has no address"):
            await AddressPolicy(resolver=resolving_to()).addresses("service.example", 443)

    async def test_a_refusal_says_what_to_do(self):
        with pytest.raises(AddressNotAllowed, match="allow it in the settings by its network"):
            await AddressPolicy().addresses("10.0.0.1", 443)


class TestAllow:
    @pytest.mark.parametrize("entry", ["10.0.0.0/8", "10.1.2.3", "service.internal", "SERVICE.internal."])
    async def test_a_private_service_may_be_allowed_by_network_address_or_name(self, entry):
        policy = AddressPolicy(allow=[entry], resolver=resolving_to("10.1.2.3"))
        assert await policy.addresses("service.internal", 80) == ["10.1.2.3"]

    @pytest.mark.parametrize("entry", ["10.0.0.0/16", "10.1.2.4", "internal", "evil.service.internal", "service"])
    async def test_nothing_more_is_allowed_with_it(self, entry):
        policy = AddressPolicy(allow=[entry], resolver=resolving_to("10.1.2.3"))
        with pytest.raises(AddressNotAllowed):
            await policy.addresses("service.internal", 80)

    @pytest.mark.parametrize("host", ["::ffff:127.0.0.1", "127.0.0.1"])
    async def test_an_allowed_network_is_allowed_however_its_addresses_are_written(self, host):
        assert await AddressPolicy(allow=["127.0.0.0/8"]).addresses(host, 80)

    async def test_ipv6_networks_may_be_allowed(self):
        policy = AddressPolicy(allow=["fd00::/8", "[::1]"])
        assert await policy.addresses("fd00::5", 80) == ["fd00::5"]
        assert await policy.addresses("::1", 80) == ["::1"]

    @pytest.mark.parametrize(
        "entry", ["", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.256", "http://x.example", "a b", "*.x", "0x7f.1"]
    )
    def test_an_entry_that_means_nothing_is_refused(self, entry):
        with pytest.raises(ConfigurationError, match="can not be allowed"):
            AddressPolicy(allow=[entry])
