module kubemacpool.io/bench/load

go 1.24
