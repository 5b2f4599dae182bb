"""Writes into a Mumble client's database that its user has accepted a server's certificate.

usage: trust_mumble_server.py HOST PORT DATABASE.sqlite
"""

import hashlib
import sqlite3
import ssl
import sys

host, port, database = sys.argv[1], int(sys.argv[2]), sys.argv[3]
certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, port)))
with sqlite3.connect(database) as connection:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS `cert` "
        "(`id` INTEGER PRIMARY KEY AUTOINCREMENT, `hostname` TEXT, `port` INTEGER, `digest` TEXT)"
    )
    digest = hashlib.sha1(certificate).hexdigest()
    connection.execute("INSERT INTO `cert` (`hostname`, `port`, `digest`) VALUES (?, ?, ?)", (host, port, digest))
