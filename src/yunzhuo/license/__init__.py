"""The vendor's license server: customers, their installations, and the licenses signed for them. The only place with the
private key; no installation of a customer runs it.

Accounts, rights, tokens and the record of who did what are those of ``services``, in this server's own database: a customer is
an organization, its contacts are its administrators, vendor administrators are operators.
"""
