"""FedAvg with everybody in each round; prints how long the rounds took."""
import time

import numpy
from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


class Timed(FedAvg):
    def configure_train(self, server_round, arrays, config, grid):
        self.began = time.monotonic()
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(self, server_round, replies):
        made = super().aggregate_train(server_round, replies)
        print("ROUND %d %.4f" % (server_round, time.monotonic() - self.began), flush=True)
        return made


@app.main()
def main(grid: Grid, context: Context):
    settings = context.run_config
    clients = int(settings["clients"])
    while len(list(grid.get_node_ids())) < clients:
        time.sleep(0.2)
    arrays = ArrayRecord([numpy.ones(int(settings["bytes"]) // 4, numpy.float32)])
    strategy = Timed(fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients)
    strategy.start(grid=grid, initial_arrays=arrays, num_rounds=int(settings["rounds"]))
