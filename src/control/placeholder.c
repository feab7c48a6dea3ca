typedef int placeholder_control;
