"""The products that SCEP is spoken with, by the keys that advice is filed under: ``Do (ndes):`` on a rule's page."""

SERVERS = {
    "ndes": "NDES",
    "intune": "Intune",
    "entra-app-proxy": "Entra application proxy",
    "scepman": "SCEPman",
    "ejbca": "EJBCA",
    "openxpki": "OpenXPKI",
    "step-ca": "step-ca",
    "micromdm": "MicroMDM scep",
    "dogtag": "Dogtag",
    "xipki": "XiPKI",
    "otilm": "OTILM (CZERTAINLY)",
    "ios-ca": "the Cisco IOS CA",
    "cisco-ise": "Cisco ISE",
    "ucm": "Cisco Unified CM",
    "fortiauthenticator": "FortiAuthenticator",
    "aws-c4scep": "AWS Connector for SCEP",
    "digicert": "DigiCert",
    "jamf": "Jamf Pro",
    "fleet": "Fleet",
}
"""What answers: a CA, an RA, or a proxy that speaks SCEP itself."""

CLIENTS = {
    "ios-client": "Cisco IOS",
    "cisco-asa": "Cisco ASA",
    "ftd": "Cisco FTD",
    "cisco-wlc": "Cisco WLC",
    "fortigate": "FortiGate",
    "fortimanager": "FortiManager",
    "pan-os": "PAN-OS",
    "junos": "Junos",
    "routeros": "RouterOS",
    "stormshield": "Stormshield",
    "apple": "Apple devices",
    "windows-mdm": "Windows (MDM)",
    "intune-android": "Android (Intune)",
    "sscep": "sscep",
    "strongswan": "strongSwan",
    "certmonger": "certmonger",
    "micromdm-client": "the MicroMDM client",
    "jscep": "jscep",
    "igel": "IGEL OS",
}
"""What asks."""

PRODUCTS = {**SERVERS, **CLIENTS}
"""Key → the name that people read."""
