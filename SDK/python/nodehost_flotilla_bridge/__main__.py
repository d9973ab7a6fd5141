"""python3 -m nodehost_flotilla_bridge --client HOST:PORT --data NAME=SAMPLES …"""
import argparse
import logging

from .bridge import Bridge, Settings


def data_set(text):
    name, _, samples = text.rpartition("=")
    if not name or not samples.isdigit() or not int(samples):
        raise argparse.ArgumentTypeError("%r is no NAME=SAMPLES, as MNIST=6000" % text)
    return name, int(samples)


def main():
    parser = argparse.ArgumentParser(
        prog="nodehost_flotilla_bridge", description="Lets an original client of Flotilla's train with nodehost.")
    parser.add_argument("--client", required=True, metavar="HOST:PORT", help="where the client serves EdgeService")
    parser.add_argument("--data", required=True, action="append", type=data_set, metavar="NAME=SAMPLES",
                        help="a data set of the client's, and how many samples it has; may be given again")
    parser.add_argument("--listen", default="0.0.0.0:50063", metavar="HOST:PORT", help="where servers reach the bridge")
    parser.add_argument("--name", default="", help="what servers call the client")
    parser.add_argument("--weights", choices=["torch", "numpy"], default="torch",
                        help="what the client's model is made of")
    parser.add_argument("--model-dir", default="", metavar="FOLDER",
                        help="the model's files, sent to the client before its first training")
    words = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    bridge = Bridge(Settings(client=words.client, data=dict(words.data), listen=words.listen, name=words.name,
                             weights=words.weights, model_dir=words.model_dir)).start()
    print("serving at port %d, for Flotilla's client at %s" % (bridge.port, words.client), flush=True)
    bridge.server.wait_for_termination()


if __name__ == "__main__":
    main()
