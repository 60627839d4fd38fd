module kubemacpool.io/bench

go 1.26.0
