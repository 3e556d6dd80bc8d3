module hab.local/hab-probe

go 1.26.0
