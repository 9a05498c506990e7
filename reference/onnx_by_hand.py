"""ONNX graphs of a few nodes, each with something that networks seldom have; needs `onnx` alone.

`python onnx_by_hand.py` writes, into `onnx/`:

* `long_sums.onnx`: a product of two computed operands, 8 x 288 by 288 x 96. ONNX Runtime cuts its sums by the number of its
  own threads, so that their last bits differ.
* `unknown_operator.onnx`: an operator that nobody has.
* `batch_of_two.onnx`, `two_inputs.onnx`, `bytes.onnx`: inputs that are not one picture of floating-point numbers.
* `outside.onnx`: weights that would lie in another folder, which no model may ask for.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent / "onnx"


def save(name, nodes, inputs, constants=(), data_type=TensorProto.FLOAT):
    inputs = [helper.make_tensor_value_info(n, data_type, shape) for n, shape in inputs.items()]
    codes = helper.make_tensor_value_info("codes", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, name, inputs, [codes], list(constants))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("example", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), HERE / f"{name}.onnx")


def shape(name, *extents):
    return numpy_helper.from_array(np.array(extents, dtype=np.int64), name)


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs, [output], **attributes)


def main():
    picture = {"images": [1, 3, 40, 40]}
    flat = node("Flatten", ["images"], "codes")

    nodes = [
        node("Reshape", ["images", "rows"], "a"),
        node("Slice", ["a", "zero", "eight", "one"], "first"),
        node("Reshape", ["images", "columns"], "b"),
        node("MatMul", ["first", "b"], "product"),
        node("Reshape", ["product", "row"], "codes"),
    ]
    constants = [shape("rows", 1, 96, 288), shape("columns", 1, 288, 96), shape("row", 1, -1)]
    constants += [shape("zero", 0), shape("eight", 8), shape("one", 1)]
    save("long_sums", nodes, {"images": [1, 3, 96, 96]}, constants)

    save("unknown_operator", [node("SporesOfTomorrow", ["images"], "codes", name="odd_one", domain="example")], picture)
    save("batch_of_two", [flat], {"images": [2, 3, 40, 40]})
    save("two_inputs", [node("Add", ["images", "others"], "sum"), node("Flatten", ["sum"], "codes")], picture | {"others": [1, 3, 40, 40]})
    cast = node("Cast", ["images"], "numbers", to=TensorProto.FLOAT)
    save("bytes", [cast, node("Flatten", ["numbers"], "codes")], picture, data_type=TensorProto.UINT8)

    weights = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "../README.md", "offset": "0", "length": "4"}.items():
        weights.external_data.add(key=key, value=value)
    save("outside", [node("Mul", ["images", "weights"], "scaled"), node("Flatten", ["scaled"], "codes")], picture, [weights])


if __name__ == "__main__":
    main()
