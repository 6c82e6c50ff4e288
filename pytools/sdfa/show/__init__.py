"""What people look at: tables, pictures and pages, made from the data that the other packages return."""
