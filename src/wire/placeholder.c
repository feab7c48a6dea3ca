typedef int placeholder_wire;
